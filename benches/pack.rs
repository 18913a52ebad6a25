//! Packing.

fn main() {}

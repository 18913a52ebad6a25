//! All tests that need more than one module, one binary.

mod packing;

//! Timestamps (RFC 3161) while they are made: the request, and whether a
//! response answers it.
//!
//! Whether an authority of the trust root signed it is
//! [`super::check`]'s to say; here it is only seen that the response is a
//! granted one, about the bytes that were sent, and fresh.

use crate::model::digest::Digest;

/// `2.16.840.1.101.3.4.2.1`.
const SHA256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
/// `1.2.840.113549.1.7.2`.
const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
/// `1.2.840.113549.1.9.16.1.4`.
const TST_INFO: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x04];

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const EXPLICIT: u8 = 0xa0;

/// What is asked of a timestamp authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    imprint: Digest,
    nonce: [u8; 8],
}

impl Query {
    /// Asks for a timestamp over `bytes`; `random` makes the answer fresh.
    pub fn new(bytes: &[u8], random: [u8; 8]) -> Self {
        let mut nonce = random;
        // Positive and without a leading zero, so always eight bytes of DER.
        nonce[0] = (nonce[0] & 0x7f) | 0x40;
        Self { imprint: Digest::of(bytes), nonce }
    }

    /// The request in DER (`TimeStampReq`); asks for the certificate as well.
    pub fn to_der(&self) -> Vec<u8> {
        let algorithm = wrap(SEQUENCE, &[wrap(OID, &[SHA256.to_vec()]), vec![0x05, 0x00]]);
        let imprint =
            wrap(SEQUENCE, &[algorithm, wrap(OCTETS, &[self.imprint.as_bytes().to_vec()])]);
        let nonce = wrap(INTEGER, &[self.nonce.to_vec()]);
        wrap(SEQUENCE, &[vec![INTEGER, 1, 1], imprint, nonce, vec![0x01, 1, 0xff]])
    }

    /// Whether a response (`TimeStampResp`) is granted, about these bytes, and
    /// carries the nonce.
    ///
    /// # Errors
    /// [`TimestampError`].
    pub fn check(&self, response: &[u8]) -> Result<(), TimestampError> {
        let mut response = Der(response).only(SEQUENCE)?;
        let status = response.take(SEQUENCE)?.take(INTEGER)?;
        // 0 granted, 1 granted with changes.
        if !matches!(status.0, [0 | 1]) {
            return Err(TimestampError::Refused { status: hex::encode(clip(status.0)) });
        }
        let mut info = info(response)?;
        info.take(INTEGER)?;
        info.take(OID)?;
        let mut imprint = info.take(SEQUENCE)?;
        let algorithm = imprint.take(SEQUENCE)?.take(OID)?;
        if algorithm.0 != SHA256 || imprint.take(OCTETS)?.0 != self.imprint.as_bytes() {
            return Err(TimestampError::Imprint);
        }
        info.take(INTEGER)?;
        // The time, then accuracy and ordering, then the only other INTEGER.
        while !info.0.is_empty() {
            let (tag, value) = info.next()?;
            if tag == INTEGER {
                return if value.0 == self.nonce { Ok(()) } else { Err(TimestampError::Nonce) };
            }
        }
        Err(TimestampError::Nonce)
    }
}

/// `TSTInfo` inside the token that follows the status.
fn info(mut response: Der<'_>) -> Result<Der<'_>, TimestampError> {
    let mut content = response.take(SEQUENCE)?;
    content.oid(SIGNED_DATA)?;
    let mut signed = content.take(EXPLICIT)?.take(SEQUENCE)?;
    signed.take(INTEGER)?;
    signed.take(SET)?;
    let mut inner = signed.take(SEQUENCE)?;
    inner.oid(TST_INFO)?;
    inner.take(EXPLICIT)?.take(OCTETS)?.only(SEQUENCE)
}

fn clip(bytes: &[u8]) -> &[u8] {
    bytes.get(..bytes.len().min(8)).unwrap_or_default()
}

/// An element of these parts. All that is written here is shorter than 128
/// bytes.
fn wrap(tag: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    let content = parts.concat();
    let mut element = vec![tag, content.len() as u8];
    element.extend(content);
    element
}

/// DER that is being read.
#[derive(Clone, Copy)]
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The next element's tag and content.
    fn next(&mut self) -> Result<(u8, Der<'a>), TimestampError> {
        let (&[tag, first], rest) =
            self.0.split_first_chunk::<2>().ok_or(TimestampError::Malformed)?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x84 => {
                let (bytes, rest) = rest
                    .split_at_checked(usize::from(first & 0x7f))
                    .ok_or(TimestampError::Malformed)?;
                (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
            }
            _ => return Err(TimestampError::Malformed),
        };
        let (content, rest) = rest.split_at_checked(length).ok_or(TimestampError::Malformed)?;
        self.0 = rest;
        Ok((tag, Der(content)))
    }

    fn take(&mut self, wanted: u8) -> Result<Der<'a>, TimestampError> {
        match self.next()? {
            (tag, content) if tag == wanted => Ok(content),
            _ => Err(TimestampError::Malformed),
        }
    }

    /// The one element that there is.
    fn only(mut self, wanted: u8) -> Result<Der<'a>, TimestampError> {
        let content = self.take(wanted)?;
        if self.0.is_empty() { Ok(content) } else { Err(TimestampError::Malformed) }
    }

    fn oid(&mut self, wanted: &[u8]) -> Result<(), TimestampError> {
        if self.take(OID)?.0 == wanted { Ok(()) } else { Err(TimestampError::Malformed) }
    }
}

/// A response that answers nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimestampError {
    /// Not DER of that shape.
    #[error("it is not a timestamp response (RFC 3161)")]
    Malformed,
    /// The authority says no.
    #[error("the authority gave none: its status is `{status}`")]
    Refused {
        /// Its `PKIStatus`, hexadecimal.
        status: String,
    },
    /// About something else.
    #[error("it is about other bytes than those that were sent")]
    Imprint,
    /// An answer to another request.
    #[error("it answers another request")]
    Nonce,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    fn query() -> Query {
        Query::new(b"signature", [0x80, 1, 2, 3, 4, 5, 6, 7])
    }

    /// A response of all that is read, without certificates and signature.
    fn response(query: &Query, status: u8) -> Vec<u8> {
        let algorithm = wrap(SEQUENCE, &[wrap(OID, &[SHA256.to_vec()])]);
        let imprint =
            wrap(SEQUENCE, &[algorithm, wrap(OCTETS, &[query.imprint.as_bytes().to_vec()])]);
        let info = wrap(
            SEQUENCE,
            &[
                vec![INTEGER, 1, 1],
                wrap(OID, &[vec![0x2a, 3]]),
                imprint,
                vec![INTEGER, 1, 9],
                wrap(0x18, &[b"20261101000000Z".to_vec()]),
                wrap(SEQUENCE, &[vec![INTEGER, 1, 1]]),
                wrap(INTEGER, &[query.nonce.to_vec()]),
            ],
        );
        let inner = wrap(
            SEQUENCE,
            &[wrap(OID, &[TST_INFO.to_vec()]), wrap(EXPLICIT, &[wrap(OCTETS, &[info])])],
        );
        let signed = long(SEQUENCE, &[vec![INTEGER, 1, 3], wrap(SET, &[]), inner]);
        let content =
            long(SEQUENCE, &[wrap(OID, &[SIGNED_DATA.to_vec()]), long(EXPLICIT, &[signed])]);
        long(SEQUENCE, &[wrap(SEQUENCE, &[vec![INTEGER, 1, status]]), content])
    }

    fn long(tag: u8, parts: &[Vec<u8>]) -> Vec<u8> {
        let content = parts.concat();
        let mut element = vec![tag, 0x82, (content.len() >> 8) as u8, content.len() as u8];
        element.extend(content);
        element
    }

    #[test]
    fn a_request_is_what_openssl_would_send() {
        let imprint = hex::encode(query().imprint.as_bytes());
        let wanted = format!(
            "3043020101303130 0d060960864801650304020105000420{imprint}02084001020304050607 0101ff"
        );
        assert_eq!(hex::encode(query().to_der()), wanted.replace(' ', ""));
    }

    #[test]
    fn only_an_answer_to_this_request_counts() {
        assert_eq!(query().check(&response(&query(), 0)), Ok(()));
        assert_eq!(query().check(&response(&query(), 1)), Ok(()));
        let refused = query().check(&response(&query(), 2));
        assert_eq!(refused, Err(TimestampError::Refused { status: "02".into() }));
        let other = Query::new(b"other", query().nonce);
        assert_eq!(query().check(&response(&other, 0)), Err(TimestampError::Imprint));
        let other = Query::new(b"signature", [1; 8]);
        assert_eq!(query().check(&response(&other, 0)), Err(TimestampError::Nonce));
    }

    /// What `timestamp-server` answered to a request with this nonce.
    #[test]
    fn a_real_answer_counts() {
        let real = include_bytes!("../../../fuzz/corpus/timestamp/granted");
        let query = Query::new(b"signature", [0x41, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(query.check(real), Ok(()));
        assert_eq!(Query::new(b"other", query.nonce).check(real), Err(TimestampError::Imprint));
        assert_eq!(Query::new(b"signature", [1; 8]).check(real), Err(TimestampError::Nonce));
    }

    #[test]
    fn anything_else_is_refused_without_a_panic() {
        let good = response(&query(), 0);
        for end in 0..good.len() {
            assert!(query().check(&good[..end]).is_err(), "cut at {end}");
        }
        for place in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[place] ^= 1 << bit;
                let _ = query().check(&bad);
            }
        }
        for bad in [&b""[..], b"\x30", b"\x30\x80", b"\x30\x84\xff\xff\xff\xff", b"<html>"] {
            assert_eq!(query().check(bad), Err(TimestampError::Malformed));
        }
    }
}

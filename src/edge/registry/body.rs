//! Bodies that are received: never more than allowed, never slower than
//! allowed, and a body that ends early is an error.

use bytes::{Bytes, BytesMut};
use reqwest::{Response, header::RANGE};

use super::{
    Result,
    error::{Fault, RegistryError},
    http::Http,
    retry::{Deadline, Failure, Retry},
    transport::Transport,
};
use crate::model::{
    artifact::manifest::Descriptor,
    digest::{Digest, Hasher},
};

/// How often a blob that broke off is taken up again.
const RESUMES: u32 = 4;

/// Reads a body whole.
pub(super) async fn whole(
    mut response: Response,
    limit: u64,
    transport: &Transport,
    deadline: Deadline,
) -> Result<Bytes, Failure> {
    let announced = response.content_length();
    if announced.is_some_and(|length| length > limit) {
        return Err(Fault::TooLarge { limit }.into());
    }
    let mut bytes = BytesMut::new();
    while let Some(chunk) =
        next(&mut response, announced, bytes.len() as u64, transport, deadline).await?
    {
        if (bytes.len() as u64).saturating_add(chunk.len() as u64) > limit {
            return Err(Fault::TooLarge { limit }.into());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

/// Hashes a body without keeping it.
pub(super) async fn hash(
    mut response: Response,
    limit: u64,
    transport: &Transport,
    deadline: Deadline,
) -> Result<(Digest, u64), Failure> {
    let announced = response.content_length();
    let mut hasher = Hasher::default();
    while let Some(chunk) =
        next(&mut response, announced, hasher.length(), transport, deadline).await?
    {
        hasher.update(&chunk);
        if hasher.length() > limit {
            return Err(Fault::TooLarge { limit }.into());
        }
    }
    let length = hasher.length();
    Ok((hasher.finish(), length))
}

/// The next chunk of a body of which `got` bytes have come.
async fn next(
    response: &mut Response,
    announced: Option<u64>,
    got: u64,
    transport: &Transport,
    deadline: Deadline,
) -> Result<Option<Bytes>, Failure> {
    match deadline.limit(transport.idle, response.chunk()).await? {
        Ok(chunk) => Ok(chunk),
        Err(error) => {
            let failure = transport.failure(&error);
            Err(match announced {
                Some(wanted) if got < wanted && failure.retry == Retry::Soon => {
                    Failure { fault: Fault::Truncated { wanted, got }, retry: Retry::Soon }
                }
                _ => failure,
            })
        }
    }
}

/// A blob of a registry, read in chunks; see
/// [`BlobReader`](super::BlobReader). A connection that breaks is replaced and
/// the blob taken up where it broke off; what counts is the digest of all that
/// was handed out.
pub struct HttpBlobReader {
    http: Http,
    descriptor: Descriptor,
    deadline: Deadline,
    state: State,
    hasher: Hasher,
    resumes: u32,
}

enum State {
    /// The body, and how many of its bytes were handed out before.
    Reading(Response, u64),
    Verified,
    Failed,
}

impl HttpBlobReader {
    pub(super) fn new(
        http: Http,
        descriptor: Descriptor,
        response: Response,
        deadline: Deadline,
    ) -> Self {
        let (state, hasher) = (State::Reading(response, 0), Hasher::default());
        Self { http, descriptor, deadline, state, hasher, resumes: RESUMES }
    }

    /// The next chunk; `None` once, at the end, when length and digest are
    /// right.
    ///
    /// # Errors
    /// As [`BlobReader::chunk`](super::BlobReader::chunk); after an error only
    /// errors follow.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let result = self.advance().await;
        if result.is_err() {
            self.state = State::Failed;
        }
        result.map_err(|fault| {
            let (digest, repository) = (&self.descriptor.digest, self.http.repository());
            let fault = fault.redacted(&self.http.transport().sent);
            RegistryError::new(format!("read the blob `{digest}` of `{repository}`"), fault)
        })
    }

    async fn advance(&mut self) -> Result<Option<Bytes>, Fault> {
        let size = self.descriptor.size;
        loop {
            let got = self.hasher.length();
            let (response, skip) = match &mut self.state {
                State::Reading(response, skip) => (response, skip),
                State::Verified => return Ok(None),
                State::Failed => return Err(Fault::Malformed("reading failed before".into())),
            };
            let transport = self.http.transport();
            match next(response, Some(size), got, transport, self.deadline).await {
                Ok(Some(mut chunk)) => {
                    let known = usize::try_from(*skip).unwrap_or(usize::MAX).min(chunk.len());
                    *skip = skip.saturating_sub(known as u64);
                    let chunk = chunk.split_off(known);
                    if chunk.is_empty() {
                        continue;
                    }
                    self.hasher.update(&chunk);
                    if self.hasher.length() > size {
                        return Err(Fault::TooLarge { limit: size });
                    }
                    return Ok(Some(chunk));
                }
                Ok(None) => return self.finish(),
                Err(failure) => self.resume(failure).await?,
            }
        }
    }

    fn finish(&mut self) -> Result<Option<Bytes>, Fault> {
        let (got, wanted) = (self.hasher.length(), self.descriptor.size);
        if got < wanted {
            return Err(Fault::Truncated { wanted, got });
        }
        check(&self.descriptor.digest, self.hasher.clone().finish())?;
        self.state = State::Verified;
        Ok(None)
    }

    /// Opens the blob again, from where it broke off when the registry can.
    async fn resume(&mut self, failure: Failure) -> Result<(), Fault> {
        if failure.retry == Retry::Never || self.resumes == 0 {
            return Err(failure.fault);
        }
        self.resumes -= 1;
        let got = self.hasher.length();
        let mut call = self.http.blob_call(&self.descriptor.digest)?;
        if let Ok(range) = format!("bytes={got}-").parse() {
            call.headers.insert(RANGE, range);
        }
        let answer = self.http.success(&call, self.deadline).await?;
        let continues = answer.status() == 206
            && answer
                .header("content-range")
                .is_some_and(|range| range.starts_with(&format!("bytes {got}-")));
        if answer.status() == 206 && !continues {
            return Err(Fault::Malformed("the registry answered with another range".into()));
        }
        self.state = State::Reading(answer.response, if continues { 0 } else { got });
        Ok(())
    }
}

/// Compares the digest asked for with that of what came.
pub(super) fn check(wanted: &Digest, got: Digest) -> Result<(), Fault> {
    if *wanted == got { Ok(()) } else { Err(Fault::WrongDigest { wanted: *wanted, got }) }
}

//! One request to a repository with everything around it: credentials asked
//! for and renewed, retries under one deadline, bounded bodies.

use bytes::Bytes;
use reqwest::{Method, header::HeaderMap};
use tokio::time::timeout_at;

use super::{
    Result,
    answer::Problem,
    auth::{Access, Granted, Request, Subject},
    body,
    challenge::challenges,
    error::Fault,
    http::Http,
    retry::{Deadline, Failure},
    transport::{Answer, Call},
};

/// How often one attempt is repeated with other credentials.
const ROUNDS: usize = 3;

/// A small answer, read whole: or what the registry said instead.
pub(super) type Outcome = Result<(HeaderMap, Bytes), Problem>;

impl Http {
    /// A request for `tail` below the repository's URL.
    pub(super) fn call(&self, method: Method, tail: &str) -> Result<Call, Fault> {
        let url = format!("v2/{}/{tail}", self.path());
        let url = self.route().home.join(&url);
        let url = url.map_err(|_| Fault::Malformed(format!("`{tail}` makes no URL")))?;
        Ok(Call::new(method, url, self.route()))
    }

    /// A deadline from now, as the options say.
    pub(super) fn deadline(&self) -> Deadline {
        Deadline::after(self.options().deadline)
    }

    /// Sends until there is an answer that trying again would not change.
    pub(super) async fn answer(
        &self,
        call: &Call,
        access: Access,
        deadline: Deadline,
    ) -> Result<Answer, Fault> {
        deadline.retry(|| self.attempt(call, access, deadline)).await
    }

    /// As [`Http::answer`], for reading; anything but success is an error.
    pub(super) async fn success(&self, call: &Call, deadline: Deadline) -> Result<Answer, Fault> {
        let answer = self.answer(call, Access::Pull, deadline).await?;
        if answer.response.status().is_success() {
            return Ok(answer);
        }
        Err(Problem::of(answer, self.transport(), deadline).await.into_failure().fault)
    }

    /// Reads a small answer whole; a body that breaks off is asked for again.
    pub(super) async fn fetch(
        &self,
        call: &Call,
        limit: u64,
        deadline: Deadline,
    ) -> Result<Outcome, Fault> {
        deadline.retry(|| self.fetch_once(call, limit, deadline)).await
    }

    async fn fetch_once(
        &self,
        call: &Call,
        limit: u64,
        deadline: Deadline,
    ) -> Result<Outcome, Failure> {
        let answer = self.attempt(call, Access::Pull, deadline).await?;
        if !answer.response.status().is_success() {
            return Ok(Err(Problem::of(answer, self.transport(), deadline).await));
        }
        let size = answer.response.content_length().unwrap_or(limit).min(limit);
        let room = timeout_at(deadline.at(), self.room(size));
        let _room = room.await.map_err(|_| deadline.missed(self.options().deadline))?;
        let headers = answer.response.headers().clone();
        let bytes = body::whole(answer.response, limit, self.transport(), deadline).await?;
        Ok(Ok((headers, bytes)))
    }

    /// One attempt: sends, and answers a 401 with the credentials there are.
    pub(super) async fn attempt(
        &self,
        call: &Call,
        access: Access,
        deadline: Deadline,
    ) -> Result<Answer, Failure> {
        let subject = self.subject(access);
        let (options, transport, auth) = (self.options(), self.transport(), self.auth());
        let mut granted = auth.known(&subject, options, transport, deadline).await?;
        for round in 0..ROUNDS {
            let header = granted.as_ref().map(|granted| &granted.header);
            let answer = transport.send(call, header, deadline).await?;
            if answer.status() != 401 {
                return self.settle(answer, deadline).await;
            }
            granted =
                Some(self.renew(&subject, answer, granted.as_ref(), round > 0, deadline).await?);
        }
        let detail = "it keeps asking for other credentials".into();
        Err(Fault::Unauthorized { detail }.into())
    }

    /// Turns the answers that are worth another try into failures.
    async fn settle(&self, answer: Answer, deadline: Deadline) -> Result<Answer, Failure> {
        if !matches!(answer.status(), 408 | 429 | 500..) {
            return Ok(answer);
        }
        let problem = Problem::of(answer, self.transport(), deadline).await;
        Err(problem.into_failure())
    }

    async fn renew(
        &self,
        subject: &Subject,
        answer: Answer,
        refused: Option<&Granted>,
        fresh: bool,
        deadline: Deadline,
    ) -> Result<Granted, Failure> {
        if answer.redirected {
            let detail = "another host, where no credentials go, asks for some".into();
            return Err(Fault::Unauthorized { detail }.into());
        }
        let offered = challenges(answer.response.headers());
        let said = Problem::of(answer, self.transport(), deadline).await.detail();
        let request = Request { subject, challenges: &offered, refused, fresh, said: &said };
        self.auth().answer(request, self.options(), self.transport(), deadline).await
    }
}

//! Credentials of requests: OAuth 2 client credentials, and signatures for AWS.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use driftless_api::analysis::provider::{Authentication, OAuth2};
use driftless_core::Secret;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use reqwest::Method;
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

use super::{MeasureError, Providers};
use crate::http::{self, Answer, Reach, Request};

/// Time before its end from which a token counts as old.
const MARGIN: SignedDuration = SignedDuration::from_secs(30);
/// How long a token is good when the server does not say.
const USUAL: i64 = 300;
/// Tokens kept.
const MOST: usize = 256;

type Token = (Secret<String>, Timestamp);

/// Tokens that are still good, by a digest of what they were asked with.
#[derive(Default)]
pub(super) struct Tokens(Mutex<HashMap<[u8; 32], Token>>);

/// Says what is wrong with credentials.
pub(super) fn check(authentication: Option<&Authentication>) -> Result<(), String> {
    let Some(authentication) = authentication else {
        return Ok(());
    };
    if authentication.sigv4.is_some() && authentication.oauth2.is_some() {
        return Err("authentication: set oauth2 or sigv4, not both".into());
    }
    if let Some(oauth2) = &authentication.oauth2
        && !oauth2.token_url.is_empty()
    {
        http::parse(&oauth2.token_url, Reach::ThisMachine)
            .map_err(|why| format!("authentication.oauth2.tokenUrl: {why}"))?;
        if oauth2.client_id.is_empty() || oauth2.client_secret.is_empty() {
            return Err("authentication.oauth2: clientId and clientSecret are required".into());
        }
    }
    if let Some(sigv4) = &authentication.sigv4 {
        if !sigv4.profile.is_empty() {
            return Err(
                "authentication.sigv4.profile: files of profiles are not read; use roleArn".into(),
            );
        }
        if sigv4.region.is_empty() && !sigv4.role_arn.is_empty() {
            return Err("authentication.sigv4.region: required".into());
        }
    }
    Ok(())
}

impl Providers {
    /// Sends a request with credentials.
    pub(super) async fn send(
        &self,
        mut request: Request,
        authentication: Option<&Authentication>,
        service: &str,
        now: Timestamp,
    ) -> Result<Answer, MeasureError> {
        let oauth2 = authentication.and_then(|authentication| authentication.oauth2.as_ref());
        // Argo Rollouts writes empty blocks.
        if let Some(oauth2) = oauth2.filter(|oauth2| !oauth2.token_url.is_empty()) {
            let token = self.token(oauth2, now).await?;
            request.header("authorization", &format!("Bearer {}", token.expose()));
        }
        let sigv4 = authentication.and_then(|authentication| authentication.sigv4.as_ref());
        if let Some(sigv4) = sigv4.filter(|sigv4| !sigv4.region.is_empty()) {
            self.sign(&mut request, &sigv4.region, &sigv4.role_arn, service, now)
                .await?;
        }
        self.http.send(request).await
    }

    async fn token(&self, oauth2: &OAuth2, now: Timestamp) -> Result<Secret<String>, MeasureError> {
        let mut hash = Sha256::new();
        let parts = [&oauth2.token_url, &oauth2.client_id, &oauth2.client_secret];
        for part in parts.into_iter().chain(&oauth2.scopes) {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        let key: [u8; 32] = hash.finalize().into();
        if let Some((token, until)) = self.tokens.0.lock().get(&key)
            && now < *until
        {
            return Ok(token.clone());
        }
        let (token, seconds) = self.ask_for_token(oauth2).await?;
        let life = SignedDuration::from_secs(seconds.clamp(0, 24 * 3600));
        let until = now.saturating_add(life - MARGIN).unwrap_or(now);
        let mut tokens = self.tokens.0.lock();
        if tokens.len() >= MOST {
            tokens.clear();
        }
        tokens.insert(key, (token.clone(), until));
        Ok(token)
    }

    async fn ask_for_token(&self, oauth2: &OAuth2) -> Result<(Secret<String>, i64), MeasureError> {
        let failed =
            |why: String| MeasureError::Unreachable(format!("asking for an OAuth 2 token: {why}"));
        let url =
            http::parse(&oauth2.token_url, self.http.reach()).map_err(MeasureError::Refused)?;
        let scopes = oauth2.scopes.join(" ");
        let mut fields = vec![("grant_type", "client_credentials")];
        if !scopes.is_empty() {
            fields.push(("scope", &scopes));
        }
        let mut request = Request::new(Method::POST, url);
        request.timeout = Duration::from_secs(10);
        let plain = request.clone();
        request.form(&fields);
        // Both are encoded as a form's fields before they are joined (RFC 6749, 2.3.1).
        let encoded =
            |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = format!(
            "{}:{}",
            encoded(&oauth2.client_id),
            encoded(&oauth2.client_secret)
        );
        request.header("authorization", &format!("Basic {}", STANDARD.encode(pair)));
        let mut answer = self.http.send(request).await?;
        if matches!(answer.status, 400 | 401) {
            // Servers that read the credentials from the form alone.
            let mut request = plain;
            fields.push(("client_id", &oauth2.client_id));
            fields.push(("client_secret", &oauth2.client_secret));
            request.form(&fields);
            answer = self.http.send(request).await?;
        }
        // Its words are not shown: they may hold what was sent.
        if !answer.is_success() {
            return Err(failed(format!("the server answers {}", answer.status)));
        }
        let body = answer.json()?;
        let token = body
            .get("access_token")
            .and_then(Json::as_str)
            .ok_or_else(|| failed("the answer has no access_token".into()))?;
        let life = body
            .get("expires_in")
            .and_then(Json::as_i64)
            .unwrap_or(USUAL);
        Ok((Secret::new(token.to_owned()), life))
    }
}

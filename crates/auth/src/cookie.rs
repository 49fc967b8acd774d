//! The session cookie, cut into pieces that browsers accept (argocd-contract §8).

/// Name of the session cookie; later pieces carry `-1`, `-2` and so on.
pub const NAME: &str = "argocd.token";
/// Longest cookie a browser accepts, name, value and attributes together.
const MAX_LENGTH: usize = 4093;
/// Most pieces a token may take.
const MAX_CHUNKS: usize = 20;

/// Why a token could not be put into cookies.
#[derive(Debug, thiserror::Error)]
#[error("token is too long for a cookie: {length} bytes need more than {MAX_CHUNKS} pieces")]
pub struct TooLong {
    length: usize,
}

/// Returns `Set-Cookie` values that carry `token`; an empty token removes the cookie.
pub fn split(token: &str, attributes: &[&str]) -> Result<Vec<String>, TooLong> {
    let tail: String = attributes.iter().flat_map(|part| ["; ", part]).collect();
    // Room for the longest name, `=`, and the count in front of the first piece.
    let room = MAX_LENGTH
        .saturating_sub(NAME.len() + 3 + 1 + 3 + tail.len())
        .max(1);
    let mut pieces: Vec<&str> = Vec::new();
    let mut rest = token;
    while rest.len() > room {
        let (piece, left) = rest.split_at(floor_boundary(rest, room));
        pieces.push(piece);
        rest = left;
    }
    pieces.push(rest);
    if pieces.len() > MAX_CHUNKS {
        return Err(TooLong {
            length: token.len(),
        });
    }
    let count = pieces.len();
    Ok(pieces
        .into_iter()
        .enumerate()
        .map(|(index, piece)| match (index, count) {
            (0, 1) => format!("{NAME}={piece}{tail}"),
            (0, _) => format!("{NAME}={count}:{piece}{tail}"),
            _ => format!("{NAME}-{index}={piece}{tail}"),
        })
        .collect())
}

fn floor_boundary(text: &str, at: usize) -> usize {
    (0..=at)
        .rev()
        .find(|index| text.is_char_boundary(*index))
        .filter(|index| *index > 0)
        .unwrap_or(text.len())
}

/// Puts the token together from the request's cookies; `None` when there is none or a piece is missing.
pub fn join<'a>(headers: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let cookies: Vec<(&str, &str)> = headers
        .into_iter()
        .flat_map(|header| header.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| name.starts_with(NAME))
        .collect();
    let find = |wanted: &str| {
        cookies
            .iter()
            .find(|(name, _)| *name == wanted)
            .map(|(_, value)| *value)
    };
    let first = find(NAME)?;
    let Some((count, head)) = first.split_once(':') else {
        return (!first.is_empty()).then(|| first.to_owned());
    };
    let count: usize = count
        .parse()
        .ok()
        .filter(|count| (1..=MAX_CHUNKS).contains(count))?;
    let mut token = head.to_owned();
    for index in 1..count {
        token.push_str(find(&format!("{NAME}-{index}"))?);
    }
    Some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent_back(set: &[String]) -> String {
        set.iter()
            .filter_map(|cookie| cookie.split(';').next())
            .collect::<Vec<_>>()
            .join("; ")
    }

    #[test]
    fn tokens_of_any_length_come_back() {
        for length in [1, 4000, 4093, 9000, 50_000] {
            let token: String = ('a'..='z').cycle().take(length).collect();
            let set = split(&token, &["Path=/", "HttpOnly", "SameSite=lax"]).expect("fits");
            assert!(
                set.iter().all(|cookie| cookie.len() <= MAX_LENGTH),
                "length {length}"
            );
            assert_eq!(join([sent_back(&set).as_str()]), Some(token));
        }
    }

    #[test]
    fn a_missing_piece_or_a_wrong_count_is_no_token() {
        assert_eq!(join(["argocd.token=3:aaa; argocd.token-1=bbb"]), None);
        assert_eq!(join(["argocd.token=99999:aaa"]), None);
        assert_eq!(join(["argocd.token=x:aaa"]), None);
        assert_eq!(join(["argocd.token="]), None);
        assert_eq!(join(["other=1"]), None);
        assert_eq!(join(["a=b; argocd.token=abc"]), Some("abc".to_owned()));
        assert!(split(&"x".repeat(100_000), &[]).is_err());
    }
}

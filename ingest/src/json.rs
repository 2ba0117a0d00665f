//! What is checked of a JSON body before it is parsed: how deep it nests, and where the elements of
//! an array begin and end, so that one bad element does not take its neighbours with it.

/// How deep a body may nest. Deeper ones are refused before any parser sees them.
pub const MAX_JSON_DEPTH: usize = 64;

/// Why the outline of a body cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// Nests deeper than [`MAX_JSON_DEPTH`], at this byte.
    TooDeep(usize),
    /// Ends before all that was opened is closed.
    Unclosed,
    /// Something else than `,` or the end stands at this byte.
    Stray(usize),
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooDeep(at) => write!(f, "nests deeper than {MAX_JSON_DEPTH} levels at byte {at}"),
            Self::Unclosed => write!(f, "ends before all that was opened is closed"),
            Self::Stray(at) => write!(f, "is not JSON at byte {at}"),
        }
    }
}

/// Checks that `body` nests no deeper than [`MAX_JSON_DEPTH`]. Says nothing about its being valid.
pub(crate) fn check_depth(body: &[u8]) -> Result<(), Broken> {
    let mut at = 0;
    while let Some(start) = skip_space(body, at) {
        at = end_of_value(body, start).or_else(|broken| match broken {
            Broken::TooDeep(_) => Err(broken),
            _ => Ok(body.len()),
        })?;
        at = at.max(start + 1);
    }
    Ok(())
}

/// Whether `body` is one value, and nothing but space after it.
pub(crate) fn is_one_value(body: &[u8]) -> Result<bool, Broken> {
    let Some(start) = skip_space(body, 0) else {
        return Ok(false);
    };
    let end = end_of_value(body, start)?;
    Ok(skip_space(body, end).is_none())
}

/// The elements of the array that `body` holds, as they stand.
pub(crate) fn elements(body: &[u8]) -> Result<Vec<&[u8]>, Broken> {
    let mut found = Vec::new();
    let open = skip_space(body, 0).ok_or(Broken::Unclosed)?;
    if body[open] != b'[' {
        return Err(Broken::Stray(open));
    }
    let mut at = skip_space(body, open + 1).ok_or(Broken::Unclosed)?;
    if body[at] != b']' {
        loop {
            let end = end_of_value(body, at)?;
            found.push(body[at..end].trim_ascii_end());
            let next = skip_space(body, end).ok_or(Broken::Unclosed)?;
            at = match body[next] {
                b',' => skip_space(body, next + 1).ok_or(Broken::Unclosed)?,
                b']' => break at = next,
                _ => return Err(Broken::Stray(next)),
            };
        }
    }
    match skip_space(body, at + 1) {
        None => Ok(found),
        Some(stray) => Err(Broken::Stray(stray)),
    }
}

fn skip_space(body: &[u8], from: usize) -> Option<usize> {
    body.get(from..)?.iter().position(|b| !b.is_ascii_whitespace()).map(|n| from + n)
}

/// Where the value that starts at `start` ends: past its closing bracket, or at the `,` or `]` after a
/// scalar. Kinds of brackets are not told apart; the parser does that.
fn end_of_value(body: &[u8], start: usize) -> Result<usize, Broken> {
    let mut depth = 0_usize;
    let mut at = start;
    while at < body.len() {
        match body[at] {
            b'"' => at = end_of_string(body, at).ok_or(Broken::Unclosed)?,
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_JSON_DEPTH {
                    return Err(Broken::TooDeep(at));
                }
            }
            b'}' | b']' | b',' if depth == 0 => return Ok(at),
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Ok(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
    if depth == 0 { Ok(at) } else { Err(Broken::Unclosed) }
}

/// The closing quote of the string that opens at `open`.
fn end_of_string(body: &[u8], open: usize) -> Option<usize> {
    let mut at = open + 1;
    while at < body.len() {
        match body[at] {
            b'\\' => at += 1,
            b'"' => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn elements_are_told_apart_whatever_their_strings_hold() {
        let body = br#" [ {"a": "]},{"} , [1,[2]], "x\"," ,7 ] "#;
        let found: Vec<_> = elements(body).unwrap().into_iter().map(|e| std::str::from_utf8(e).unwrap()).collect();
        assert_eq!(found, [r#"{"a": "]},{"}"#, "[1,[2]]", r#""x\",""#, "7"]);
        assert!(elements(b"[]").unwrap().is_empty());
        assert_eq!(elements(b"[1] 2"), Err(Broken::Stray(4)));
        assert_eq!(elements(b"[{}"), Err(Broken::Unclosed));
        assert_eq!(elements(b"[{} {}]"), Err(Broken::Stray(4)));
    }

    #[test]
    fn depth_is_limited_even_in_a_body_that_is_not_json() {
        let nest = |n: usize| format!("{}1{}", "[".repeat(n), "]".repeat(n));
        assert_eq!(check_depth(nest(MAX_JSON_DEPTH).as_bytes()), Ok(()));
        assert_eq!(check_depth(nest(MAX_JSON_DEPTH + 1).as_bytes()), Err(Broken::TooDeep(MAX_JSON_DEPTH)));
        assert_eq!(check_depth("[".repeat(1_000_000).as_bytes()), Err(Broken::TooDeep(MAX_JSON_DEPTH)));
        assert_eq!(check_depth(b"}}}]],,"), Ok(()));
        assert_eq!(check_depth(br#"{"a":"[[[["}"#), Ok(()));
    }

    #[test]
    fn one_value_is_told_from_many() {
        assert_eq!(is_one_value(b" {\n\"a\": 1\n} \n"), Ok(true));
        assert_eq!(is_one_value(b"{}\n{}"), Ok(false));
        assert_eq!(is_one_value(b" "), Ok(false));
    }
}

//! Which known words a mistyped one was probably meant to be.

/// The known words nearest to `word`, best first; empty where none is near.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let limit = (word.len() / 3).max(1);
    let mut near: Vec<(usize, &str)> = known
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(d, candidate)| *d <= limit || shares_a_long_part(word, candidate))
        .collect();
    near.sort_unstable();
    near.into_iter().take(3).map(|(_, candidate)| candidate).collect()
}

fn shares_a_long_part(word: &str, candidate: &str) -> bool {
    let (short, long) = if word.len() < candidate.len() { (word, candidate) } else { (candidate, word) };
    short.len() >= 4 && long.contains(short)
}

/// Levenshtein's distance without regard to case; words longer than any field are far from all.
fn distance(a: &str, b: &str) -> usize {
    if a.len() > 64 {
        return usize::MAX;
    }
    let b: Vec<u8> = b.bytes().map(|c| c.to_ascii_lowercase()).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.bytes().map(|c| c.to_ascii_lowercase()).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_finds_its_word_and_nonsense_finds_none() {
        let known = ["started_at", "finished_at", "environment", "id"];
        assert_eq!(nearest("finishedAt", known), ["finished_at"]);
        assert_eq!(nearest("enviroment", known), ["environment"]);
        assert_eq!(nearest("deployed_environment", known), ["environment"]);
        assert!(nearest("qwertyuiop", known).is_empty());
    }
}

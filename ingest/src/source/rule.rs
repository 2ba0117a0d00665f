//! Which of a tool's jobs or workspaces deploy what, where their names do not say it.

use globset::GlobBuilder;
use schemars::JsonSchema;
use serde::Deserialize;

use super::BadOption;

/// What is known of all whose name matches.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// A name, or a pattern as `shop/deploy-*`.
    pub(crate) name: String,
    /// The service that it deploys; none for one of the same name.
    #[serde(default)]
    pub(crate) service: Option<String>,
    /// The environment that it deploys to.
    #[serde(default)]
    pub(crate) environment: Option<String>,
    /// The repository that the service is built from, as `owner/name`.
    #[serde(default)]
    pub(crate) repository: Option<String>,
}

/// Checks that every name can be matched.
pub(crate) fn check(rules: &[Rule], option: &str) -> Result<(), BadOption> {
    for rule in rules {
        GlobBuilder::new(&rule.name).build().map_err(|error| BadOption::new(option, error.to_string()))?;
    }
    Ok(())
}

/// The first rule that matches one of the names; where there are no rules, one that says nothing. `None` where
/// there are rules, and none matches.
pub(crate) fn of(rules: &[Rule], names: &[&str]) -> Option<Rule> {
    if rules.is_empty() {
        return Some(Rule::default());
    }
    let matches = |rule: &&Rule| {
        let glob = GlobBuilder::new(&rule.name).literal_separator(false).build();
        glob.is_ok_and(|glob| names.iter().any(|name| glob.compile_matcher().is_match(name)))
    };
    rules.iter().find(matches).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_matches_counts_and_no_rules_take_all() {
        let rule = |name: &str, environment: &str| Rule {
            name: name.to_owned(),
            environment: Some(environment.to_owned()),
            ..Rule::default()
        };
        let rules = [rule("shop/deploy-*", "production"), rule("*", "staging")];
        let environment = |names: &[&str]| of(&rules, names).and_then(|rule| rule.environment);
        assert_eq!(environment(&["shop/deploy-checkout"]).as_deref(), Some("production"));
        assert_eq!(environment(&["build"]).as_deref(), Some("staging"));
        assert_eq!(of(&rules[..1], &["build"]), None);
        assert_eq!(of(&[], &["build"]), Some(Rule::default()));
    }
}

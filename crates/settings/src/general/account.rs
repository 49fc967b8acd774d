//! Local accounts as `argocd-cm` declares them (argocd-contract §7.1, §7.3).

use std::collections::BTreeMap;

use crate::reader::Reader;

/// What an account may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountRule {
    /// Whether it may be used at all.
    pub enabled: bool,
    /// Whether it may log in with a password.
    pub login: bool,
    /// Whether it may have API tokens.
    pub api_key: bool,
}

/// The local accounts by name, `admin` among them.
pub type AccountRules = BTreeMap<String, AccountRule>;

/// Reads `admin.enabled`, `accounts.<name>` and `accounts.<name>.enabled`.
pub(super) fn read(reader: &mut Reader<'_>) -> AccountRules {
    let mut rules = AccountRules::new();
    rules.insert(
        "admin".to_owned(),
        AccountRule {
            enabled: reader.boolean("admin.enabled", true),
            login: true,
            api_key: false,
        },
    );
    // Names first: a switch for an account that is not declared has no meaning.
    let (switches, names): (Vec<String>, Vec<String>) = reader
        .keys_under("accounts.")
        .into_iter()
        .partition(|rest| rest.ends_with(".enabled"));
    for name in names {
        let capabilities = reader.parse(
            &format!("accounts.{name}"),
            "write \"apiKey\", \"login\" or \"apiKey, login\"",
            capabilities,
        );
        let (login, api_key) = capabilities.unwrap_or_default();
        let rule = rules.entry(name).or_insert(AccountRule {
            enabled: true,
            ..AccountRule::default()
        });
        rule.login |= login;
        rule.api_key |= api_key;
    }
    for switch in switches {
        let key = format!("accounts.{switch}");
        // Not readable as yes is no: a mistake must not open an account.
        let enabled = reader.boolean(&key, false);
        let name = switch.trim_end_matches(".enabled");
        match rules.get_mut(name) {
            Some(rule) => rule.enabled = enabled,
            None => reader.problem(
                &key,
                format!("there is no account {name}"),
                format!("declare it with the key accounts.{name}"),
            ),
        }
    }
    rules
}

fn capabilities(text: &str) -> Result<(bool, bool), String> {
    let mut found = (false, false);
    for part in text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        match part {
            "login" => found.0 = true,
            "apiKey" => found.1 = true,
            _ => return Err(format!("{part:?} is not a capability")),
        }
    }
    Ok(found)
}

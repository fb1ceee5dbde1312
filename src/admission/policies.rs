//! The policies that requests are counted under: `policies.json`, and what the variable
//! `RATE_LIMIT_POLICIES` changes of it.
//!
//! Both are a JSON object with one member per policy. A member of the variable changes the fields it names of
//! the policy with that name, or adds a policy. The fields:
//!
//! | field | values | default |
//! | --- | --- | --- |
//! | `counts` | the routes that are counted: `requests` (those that do work) or `reads` | the policy's own name |
//! | `window` | `fixed` (opens with its first request), `calendar` (whole multiples of its length since 1970), `sliding` (any stretch of its length; quotas up to 512), `bucket` (refilled evenly) | `fixed` |
//! | `seconds` | length of the window, 1 to 2678400 (31 days) | 60 |
//! | `quota` | units per window, `"unlimited"`, or an object with one of these per tier; a tier left out is not limited by this policy | none |
//! | `costs` | units per path, e.g. `{ "/compile/batch": 5 }`; 1 for all others | none |
//! | `onOutage` | when the counting object can't be reached: `refuse`, or `admit` uncounted | `refuse` |
//! | `shadow` | whether it only records what it would have refused | false |

use std::collections::BTreeMap;

use limits::{OnOutage, Policy, Quota, Tier, Window};
use serde::{Deserialize, Serialize};

use super::limit::Charges;

/// The table in the repository.
const BUILT_IN: &str = include_str!("../../policies.json");
/// Policies at most. Each costs every request a decision, and what an admin sees of them all must fit into a
/// header field.
const MAX_POLICIES: usize = 8;
/// Units one request may cost at most.
const MAX_COST: u32 = 10_000;

/// Why the policies can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct PolicyError {
    /// The member that is wrong, e.g. `reads.seconds`.
    field: String,
    reason: String,
}

/// The routes that a policy counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Counted {
    /// Requests that do work.
    Requests,
    /// Small public reads, which a page makes while it loads. They must not eat the budget for work.
    Reads,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WindowKind {
    Fixed,
    Calendar,
    Sliding,
    Bucket,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Outage {
    Refuse,
    Admit,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Unlimited,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged, expecting = "must be a whole number or \"unlimited\"")]
enum QuotaDraft {
    Units(u32),
    Word(Word),
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct PerTier {
    anonymous: Option<QuotaDraft>,
    free: Option<QuotaDraft>,
    pro: Option<QuotaDraft>,
    admin: Option<QuotaDraft>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(
    untagged,
    expecting = "must be a whole number, \"unlimited\", or an object with one of these per tier"
)]
enum Quotas {
    ForAll(QuotaDraft),
    PerTier(PerTier),
}

/// One member, of the table or of the variable.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Draft {
    counts: Option<Counted>,
    window: Option<WindowKind>,
    seconds: Option<u64>,
    quota: Option<Quotas>,
    costs: Option<BTreeMap<String, u32>>,
    on_outage: Option<Outage>,
    shadow: Option<bool>,
}

impl Draft {
    /// This one with what `change` names.
    fn changed_by(self, change: Self) -> Self {
        Self {
            counts: change.counts.or(self.counts),
            window: change.window.or(self.window),
            seconds: change.seconds.or(self.seconds),
            quota: change.quota.or(self.quota),
            costs: change.costs.or(self.costs),
            on_outage: change.on_outage.or(self.on_outage),
            shadow: change.shadow.or(self.shadow),
        }
    }
}

/// All policies, proven to be usable.
#[derive(Debug)]
pub struct Policies(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    counts: Counted,
    /// The policy per tier, in order of rank; none if it does not limit that tier.
    per_tier: [Option<Policy>; 4],
    costs: BTreeMap<String, u32>,
}

impl Policies {
    /// The table, changed by the text of the variable.
    ///
    /// # Errors
    /// The first field that can't be used.
    pub fn parse(variable: Option<&str>) -> Result<Self, PolicyError> {
        let mut drafts = parse_drafts(BUILT_IN)?;
        for (name, change) in variable.map(parse_drafts).transpose()?.unwrap_or_default() {
            let current = drafts.remove(&name).unwrap_or_default();
            drafts.insert(name, current.changed_by(change));
        }
        if drafts.len() > MAX_POLICIES {
            return Err(PolicyError {
                field: "policies".to_owned(),
                reason: format!("at most {MAX_POLICIES}"),
            });
        }
        let mut entries = Vec::with_capacity(drafts.len());
        for (name, draft) in drafts {
            entries.push((name == "requests" || name == "reads", Entry::validate(&name, draft)?));
        }
        // The one that existing clients know comes first.
        entries.sort_by_key(|(is_first, _)| !is_first);
        Ok(Self(entries.into_iter().map(|(_, entry)| entry).collect()))
    }

    /// What a request is charged: every policy that counts such routes for the tier, with the path's cost.
    pub fn charges(&self, counted: Counted, tier: Tier, path: &str) -> Charges<'_> {
        let charges = self.0.iter().filter(|entry| entry.counts == counted).filter_map(|entry| {
            let cost = entry.costs.get(path).copied().unwrap_or(1);
            Some((entry.policy(tier)?, cost))
        });
        charges.collect()
    }

    /// Every policy that counts this tier.
    pub fn of_tier(&self, tier: Tier) -> impl Iterator<Item = &Policy> {
        self.terms_of_tier(tier).map(|(policy, ..)| policy)
    }

    /// The same, with the routes that each counts, and the paths that do not cost 1.
    pub fn terms_of_tier(
        &self,
        tier: Tier,
    ) -> impl Iterator<Item = (&Policy, Counted, &BTreeMap<String, u32>)> {
        self.0.iter().filter_map(move |entry| Some((entry.policy(tier)?, entry.counts, &entry.costs)))
    }
}

impl Entry {
    fn policy(&self, tier: Tier) -> Option<&Policy> {
        self.per_tier.get(tier as usize)?.as_ref()
    }

    fn validate(name: &str, draft: Draft) -> Result<Self, PolicyError> {
        let wrong = |field: &str, reason: String| PolicyError { field: format!("{name}.{field}"), reason };
        let counts = match (draft.counts, name) {
            (Some(counts), _) => counts,
            (None, "requests") => Counted::Requests,
            (None, "reads") => Counted::Reads,
            (None, _) => return Err(wrong("counts", "must be \"requests\" or \"reads\"".to_owned())),
        };
        let ms = draft.seconds.unwrap_or(60).saturating_mul(1000);
        let window = match draft.window.unwrap_or(WindowKind::Fixed) {
            WindowKind::Fixed => Window::Fixed { ms },
            WindowKind::Calendar => Window::Calendar { ms },
            WindowKind::Sliding => Window::Sliding { ms },
            WindowKind::Bucket => Window::Bucket { ms },
        };
        let quotas = draft.quota.ok_or_else(|| wrong("quota", "is missing".to_owned()))?;
        let drafts = match quotas {
            Quotas::ForAll(quota) => [Some(quota); 4],
            Quotas::PerTier(PerTier { anonymous, free, pro, admin }) => [anonymous, free, pro, admin],
        };
        let costs = draft.costs.unwrap_or_default();
        if let Some((path, _)) = costs.iter().find(|(path, cost)| !path.starts_with('/') || **cost > MAX_COST)
        {
            let reason = format!("{path}: must be a path with a cost of at most {MAX_COST}");
            return Err(wrong("costs", reason));
        }
        let on_outage = match draft.on_outage {
            None | Some(Outage::Refuse) => OnOutage::Refuse,
            Some(Outage::Admit) => OnOutage::Admit,
        };
        let mut per_tier = [const { None }; 4];
        for (slot, quota) in per_tier.iter_mut().zip(drafts) {
            let quota = match quota {
                None => continue,
                Some(QuotaDraft::Word(Word::Unlimited)) => Quota::Unlimited,
                Some(QuotaDraft::Units(units)) => Quota::units(units).ok_or_else(|| {
                    wrong("quota", "must be at least 1; a ban is a different thing".to_owned())
                })?,
            };
            let policy = Policy::new(name, quota, window)
                .map_err(|error| wrong(field_of(&error), error.to_string()))?
                .on_outage(on_outage);
            *slot = Some(if draft.shadow.unwrap_or(false) { policy.in_shadow() } else { policy });
        }
        Ok(Self { counts, per_tier, costs })
    }
}

/// The member that a policy gets its wrong part from.
fn field_of(error: &limits::PolicyError) -> &'static str {
    match error {
        limits::PolicyError::NameLength { .. } | limits::PolicyError::NameCharacter { .. } => "name",
        limits::PolicyError::WindowLength { .. } => "seconds",
        limits::PolicyError::QuotaTooLarge { .. } => "quota",
    }
}

fn parse_drafts(text: &str) -> Result<BTreeMap<String, Draft>, PolicyError> {
    let json = &mut serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(json)
        .map_err(|error| PolicyError { field: error.path().to_string(), reason: error.inner().to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(variable: Option<&str>, counted: Counted, tier: Tier) -> (Option<u32>, Window) {
        let policies = Policies::parse(variable).unwrap();
        let charges = policies.charges(counted, tier, "/compile");
        let (policy, cost) = *charges.first().unwrap();
        assert_eq!(cost, 1);
        (policy.quota().limit(), policy.window())
    }

    #[test]
    fn the_table_has_the_published_quotas() {
        let minute = Window::Fixed { ms: 60_000 };
        for (tier, limit) in
            [(Tier::Anonymous, Some(10)), (Tier::Free, Some(60)), (Tier::Pro, Some(300)), (Tier::Admin, None)]
        {
            assert_eq!(first(None, Counted::Requests, tier), (limit, minute));
            assert_eq!(first(None, Counted::Reads, tier), (Some(600), minute));
        }
    }

    #[test]
    fn the_variable_changes_fields_and_adds_policies() {
        let text = r#"{
            "requests": { "quota": { "anonymous": 3 }, "costs": { "/compile/batch": 5 } },
            "daily": { "counts": "requests", "window": "calendar", "seconds": 86400, "quota": 1000, "shadow": true }
        }"#;
        let policies = Policies::parse(Some(text)).unwrap();
        let charges = policies.charges(Counted::Requests, Tier::Anonymous, "/compile/batch");
        let shown: Vec<_> = charges
            .iter()
            .map(|(policy, cost)| (policy.name(), policy.quota().limit(), *cost, policy.is_shadow()))
            .collect();
        assert_eq!(shown, [("requests", Some(3), 5, false), ("daily", Some(1000), 1, true)]);
        // A tier that is left out is not limited by this policy.
        let charges = policies.charges(Counted::Requests, Tier::Free, "/compile");
        assert_eq!(charges.iter().map(|(policy, _)| policy.name()).collect::<Vec<_>>(), ["daily"]);
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (text, field) in [
            (r#"{ "requests": { "quota": 0 } }"#, "requests.quota"),
            (r#"{ "requests": { "quota": -1 } }"#, "requests.quota"),
            (r#"{ "requests": { "seconds": 0 } }"#, "requests.seconds"),
            (r#"{ "requests": { "seconds": 3000000 } }"#, "requests.seconds"),
            (r#"{ "requests": { "window": "weekly" } }"#, "requests.window"),
            (r#"{ "requests": { "windows": "fixed" } }"#, "requests.windows"),
            (r#"{ "requests": { "window": "sliding", "quota": 513 } }"#, "requests.quota"),
            (r#"{ "requests": { "costs": { "compile": 1 } } }"#, "requests.costs"),
            (r#"{ "Extra": { "counts": "reads", "quota": 1 } }"#, "Extra.name"),
            (r#"{ "extra": { "quota": 1 } }"#, "extra.counts"),
            (r#"{ "extra": { "counts": "reads" } }"#, "extra.quota"),
            ("[]", "."),
        ] {
            assert_eq!(Policies::parse(Some(text)).unwrap_err().field, field, "{text}");
        }
    }
}

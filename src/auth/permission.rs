//! Which role may do what to users and their sessions: the defaults of Better Auth's admin plugin. They have nothing
//! to do with what was paid for.

use std::collections::BTreeMap;

/// The role that may do what is listed here. All others may do nothing.
const ADMIN: &str = "admin";

/// What admins may do to each resource. To act as another admin is none of it.
const OF_ADMINS: [(&str, &[&str]); 2] = [
    (
        "user",
        &[
            "create",
            "list",
            "set-role",
            "ban",
            "impersonate",
            "delete",
            "set-password",
            "set-email",
            "set-phone",
            "get",
            "update",
        ],
    ),
    ("session", &["list", "revoke", "delete"]),
];

/// Whether admin is among the roles of somebody, joined by commas.
pub fn is_admin(roles: &str) -> bool {
    roles.split(',').any(|role| role.trim() == ADMIN)
}

/// Whether somebody with these roles, joined by commas, may do this.
pub fn allows(roles: &str, resource: &str, action: &str) -> bool {
    let actions = OF_ADMINS.iter().find(|(known, _)| *known == resource).map_or([].as_slice(), |(_, of)| of);
    is_admin(roles) && actions.contains(&action)
}

/// Whether somebody with these roles may do all of it. Who asks for nothing may not.
pub fn allows_all(roles: &str, wanted: &BTreeMap<String, Vec<String>>) -> bool {
    let all_of = |(resource, actions): (&String, &Vec<String>)| {
        !actions.is_empty() && actions.iter().all(|action| allows(roles, resource, action))
    };
    !wanted.is_empty() && wanted.iter().all(all_of)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(roles: &str, wanted: &[(&str, &[&str])]) -> bool {
        let owned = |(resource, actions): &(&str, &[&str])| {
            ((*resource).to_owned(), actions.iter().map(|action| (*action).to_owned()).collect())
        };
        allows_all(roles, &wanted.iter().map(owned).collect())
    }

    #[test]
    fn admins_may_do_everything_but_act_as_admins() {
        for (resource, actions) in OF_ADMINS {
            assert!(may("admin", &[(resource, actions)]), "{resource}");
        }
        assert!(may("admin", &OF_ADMINS));
        assert!(!allows("admin", "user", "impersonate-admins"));
        assert!(!allows("admin", "session", "ban"));
        assert!(!allows("admin", "organization", "create"));
    }

    #[test]
    fn nobody_else_may_do_anything() {
        for roles in ["user", "", "Admin", "administrator", "user,moderator", "not-admin"] {
            assert!(!allows(roles, "user", "list") && !is_admin(roles), "{roles}");
        }
        for roles in ["admin", "user,admin", "admin,user", "user, admin"] {
            assert!(allows(roles, "user", "list") && is_admin(roles), "{roles}");
        }
    }

    #[test]
    fn all_that_is_asked_for_must_be_allowed() {
        assert!(may("admin", &[("user", &["list", "ban"]), ("session", &["revoke"])]));
        assert!(!may("admin", &[("user", &["list", "fly"])]));
        assert!(!may("admin", &[("user", &["list"]), ("nothing", &["list"])]));
        assert!(!may("admin", &[("user", &["list"]), ("session", &[])]));
        assert!(!may("admin", &[]));
        assert!(!may("user", &[("user", &["list"])]));
    }
}

//! What a route asks of its caller, and who may do what.

use crate::Tier;

/// What a caller may do. API keys name theirs; people who signed in have all that their tier has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Compile, validate and look at lists.
    Compile,
    /// Keep sets of rules.
    Rules,
    /// See and change everybody's limits, users and keys.
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 3] = [Self::Compile, Self::Rules, Self::Admin];

    /// The scope as it is written everywhere.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Compile => "compile",
            Self::Rules => "rules",
            Self::Admin => "admin",
        }
    }

    /// The scope with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }

    /// The least tier whose keys may have it.
    #[must_use]
    pub const fn needs(self) -> Tier {
        match self {
            Self::Compile | Self::Rules => Tier::Free,
            Self::Admin => Tier::Admin,
        }
    }
}

/// What a user is to the service, apart from what was paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// A customer.
    User,
    /// One of the people who run the service.
    Admin,
}

impl Role {
    /// The role as it is written everywhere.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
        }
    }
}

/// What a caller is, as far as rights go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// What was paid for; [`Tier::Anonymous`] for whoever brought no credentials.
    pub tier: Tier,
    /// The user's role.
    pub role: Role,
    /// What the API key may do; none for a person.
    pub scopes: Option<Vec<Scope>>,
}

impl Rights {
    /// Whoever brought no credentials.
    pub const ANONYMOUS: Self = Self { tier: Tier::Anonymous, role: Role::User, scopes: None };
}

/// What a route asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Demand {
    /// Nothing: credentials are not even looked at, so a stale one can't break a public page.
    Public,
    /// Nothing, but credentials are looked at: they tell who is counted.
    Anybody,
    /// An account is not needed; whoever calls with a key needs the scope.
    Anyone(Scope),
    /// An account, by any credential; a key needs the scope.
    Account(Scope),
    /// A person who signed in.
    Person,
    /// One of the people who run the service, signed in or with the admin key.
    Admin,
}

/// Why a caller may not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Forbidden {
    /// There are no credentials.
    Anonymous,
    /// A key, where a person is asked for.
    NotAPerson,
    /// The key may not do this.
    Scope(Scope),
    /// The tier is too low.
    Tier {
        /// The least that would do.
        needs: Tier,
        /// The caller's.
        has: Tier,
    },
    /// The role is another.
    Role,
}

/// Whether a caller with these rights may do what the route asks for.
///
/// # Errors
/// [`Forbidden`]: the first reason, in the order in which a caller could mend them.
pub fn authorize(rights: &Rights, demand: Demand) -> Result<(), Forbidden> {
    match (demand, &rights.scopes) {
        (Demand::Public | Demand::Anybody, _) | (Demand::Anyone(_), None) => Ok(()),
        (Demand::Anyone(scope) | Demand::Account(scope), Some(scopes)) => {
            if scopes.contains(&scope) {
                Ok(())
            } else {
                Err(Forbidden::Scope(scope))
            }
        }
        _ if rights.tier == Tier::Anonymous => Err(Forbidden::Anonymous),
        (Demand::Account(_), None) => Ok(()),
        (Demand::Person | Demand::Admin, Some(_)) => Err(Forbidden::NotAPerson),
        (Demand::Person, None) => Ok(()),
        (Demand::Admin, None) if rights.tier != Tier::Admin => {
            Err(Forbidden::Tier { needs: Tier::Admin, has: rights.tier })
        }
        (Demand::Admin, None) if rights.role != Role::Admin => Err(Forbidden::Role),
        (Demand::Admin, None) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(tier: Tier, role: Role) -> Rights {
        Rights { tier, role, scopes: None }
    }

    fn key(tier: Tier, scopes: &[Scope]) -> Rights {
        Rights { tier, role: Role::Admin, scopes: Some(scopes.to_vec()) }
    }

    #[test]
    fn people_need_no_scopes() {
        for rights in [Rights::ANONYMOUS, person(Tier::Free, Role::User)] {
            assert_eq!(authorize(&rights, Demand::Anyone(Scope::Compile)), Ok(()));
        }
        for demand in [Demand::Account(Scope::Compile), Demand::Person] {
            assert_eq!(authorize(&Rights::ANONYMOUS, demand), Err(Forbidden::Anonymous));
            assert_eq!(authorize(&person(Tier::Free, Role::User), demand), Ok(()));
        }
    }

    #[test]
    fn a_key_may_do_what_it_names() {
        let rules = key(Tier::Pro, &[Scope::Rules]);
        for demand in [Demand::Anyone, Demand::Account] {
            assert_eq!(authorize(&rules, demand(Scope::Rules)), Ok(()));
            assert_eq!(authorize(&rules, demand(Scope::Compile)), Err(Forbidden::Scope(Scope::Compile)));
        }
        assert_eq!(authorize(&rules, Demand::Person), Err(Forbidden::NotAPerson));
        for demand in [Demand::Public, Demand::Anybody] {
            assert_eq!(authorize(&rules, demand), Ok(()));
        }
    }

    #[test]
    fn an_admin_has_both_the_tier_and_the_role_and_is_a_person() {
        let may = |rights: Rights| authorize(&rights, Demand::Admin);
        assert_eq!(may(person(Tier::Admin, Role::Admin)), Ok(()));
        assert_eq!(may(person(Tier::Admin, Role::User)), Err(Forbidden::Role));
        let tier = Forbidden::Tier { needs: Tier::Admin, has: Tier::Pro };
        assert_eq!(may(person(Tier::Pro, Role::Admin)), Err(tier));
        assert_eq!(may(Rights::ANONYMOUS), Err(Forbidden::Anonymous));
        assert_eq!(may(key(Tier::Admin, &[Scope::Admin])), Err(Forbidden::NotAPerson));
    }

    #[test]
    fn names_are_read_back() {
        for scope in Scope::ALL {
            assert_eq!(Scope::from_name(scope.name()), Some(scope));
        }
        assert_eq!(Scope::from_name("agents"), None);
    }
}

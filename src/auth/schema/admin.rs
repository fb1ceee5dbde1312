//! What the endpoints under `/admin` take.

use serde_json::{Map, Value};

use super::field::{
    Choice, Count, Flag, Image, Instant, Kind, Name, Object, OneOf, Opt, OrNull, Password, Permissions,
    Roles, Seconds, Text, members,
};
use crate::auth::error::AuthError;

/// Enums from lines of `Variant "name on the wire"`.
macro_rules! choices {
    ($($(#[$doc:meta])* $choice:ident { $($variant:ident $name:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $choice {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
        }

        impl Choice for $choice {
            const ALL: &'static [(&'static str, Self)] = &[$(($name, Self::$variant),)*];
        }
    )*};
}

shapes! {
    /// `GET /admin/list-users`. By a field that is no [`UserField`] nobody is found.
    "query" ListUsers {
        search_value "searchValue": Opt<Text>,
        search_field "searchField": Opt<OneOf<SearchField>>,
        search_operator "searchOperator": Opt<OneOf<SearchOperator>>,
        limit "limit": Opt<Count>,
        offset "offset": Opt<Count>,
        sort_by "sortBy": Opt<Text>,
        sort_direction "sortDirection": Opt<OneOf<SortDirection>>,
        filter_field "filterField": Opt<Text>,
        filter_value "filterValue": Opt<Text>,
        filter_operator "filterOperator": Opt<OneOf<FilterOperator>>,
    }

    /// `GET /admin/get-user`.
    "query" GetUser {
        id "id": Text,
    }

    /// `POST /admin/create-user`. `data` is a [`UserData`].
    "body" CreateUser {
        email "email": Text,
        name "name": Name,
        password "password": Opt<Password>,
        role "role": Opt<Roles>,
        data "data": Opt<Object>,
    }

    /// `POST /admin/update-user`. `data` is a [`UserData`].
    "body" ChangeUser {
        user_id "userId": Text,
        data "data": Object,
    }

    /// What an admin may set of a user. See also [`refuse_data`].
    "body.data" UserData {
        name "name": Opt<Name>,
        email "email": Opt<Text>,
        email_verified "emailVerified": Opt<Flag>,
        image "image": Opt<OrNull<Image>>,
        role "role": Opt<Roles>,
        tier "tier": Opt<OneOf<AccountTier>>,
        banned "banned": Opt<Flag>,
        ban_reason "banReason": Opt<OrNull<Text>>,
        ban_expires "banExpires": Opt<OrNull<Instant>>,
    }

    /// `POST /admin/set-role`.
    "body" SetRole {
        user_id "userId": Text,
        role "role": Roles,
    }

    /// `POST /admin/ban-user`.
    "body" BanUser {
        user_id "userId": Text,
        ban_reason "banReason": Opt<Text>,
        ban_expires_in "banExpiresIn": Opt<Seconds>,
    }

    /// `POST /admin/unban-user`, `list-user-sessions`, `revoke-user-sessions`, `impersonate-user`, `remove-user`.
    "body" OneUser {
        user_id "userId": Text,
    }

    /// `POST /admin/revoke-user-session`.
    "body" RevokeUserSession {
        session_token "sessionToken": Text,
    }

    /// `POST /admin/set-user-password`.
    "body" SetUserPassword {
        user_id "userId": Text,
        new_password "newPassword": Password,
    }

    /// `POST /admin/has-permission`.
    "body" HasPermission {
        permissions "permissions": Permissions,
    }
}

/// Refuses data that an admin gives of a user and that has refusals of its own.
///
/// # Errors
/// [`AuthError::NO_DATA_TO_UPDATE`], [`AuthError::PASSWORD_CANNOT_BE_UPDATED_VIA_UPDATE_USER`],
/// [`AuthError::USER_ID_CANNOT_BE_UPDATED`], and those of [`refuse_role`].
pub fn refuse_data(data: &Value) -> Result<(), AuthError> {
    if data.as_object().is_none_or(Map::is_empty) {
        return Err(AuthError::NO_DATA_TO_UPDATE);
    }
    if data.get("password").is_some() {
        return Err(AuthError::PASSWORD_CANNOT_BE_UPDATED_VIA_UPDATE_USER);
    }
    if data.get("id").is_some() {
        return Err(AuthError::USER_ID_CANNOT_BE_UPDATED);
    }
    refuse_role(data)
}

/// Refuses a role that is no text, nor several.
///
/// # Errors
/// [`AuthError::INVALID_ROLE_TYPE`].
pub fn refuse_role(data: &Value) -> Result<(), AuthError> {
    match data.get("role") {
        None | Some(Value::String(_)) => Ok(()),
        Some(Value::Array(roles)) if roles.iter().all(Value::is_string) => Ok(()),
        Some(_) => Err(AuthError::INVALID_ROLE_TYPE),
    }
}

choices! {
    /// The tier of a user.
    AccountTier {
        Free "free",
        Pro "pro",
        Admin "admin",
    }

    /// Where a search for users looks.
    SearchField {
        Email "email",
        Name "name",
    }

    /// How a search for users compares.
    SearchOperator {
        Contains "contains",
        StartsWith "starts_with",
        EndsWith "ends_with",
    }

    /// The order of a list.
    SortDirection {
        Ascending "asc",
        Descending "desc",
    }

    /// How a filter of users compares.
    FilterOperator {
        Eq "eq",
        Ne "ne",
        Lt "lt",
        Lte "lte",
        Gt "gt",
        Gte "gte",
        Contains "contains",
        StartsWith "starts_with",
        EndsWith "ends_with",
    }

    /// What users can be sorted and filtered by.
    UserField {
        Id "id",
        Name "name",
        Email "email",
        EmailVerified "emailVerified",
        CreatedAt "createdAt",
        UpdatedAt "updatedAt",
        Role "role",
        Tier "tier",
        Banned "banned",
        BanReason "banReason",
        BanExpires "banExpires",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::auth::payload::parse_query;
    use crate::auth::schema::tests::{issues, missing};

    #[test]
    fn a_list_of_users_is_asked_for_in_words() {
        let read = |query: &str| ListUsers::read(&parse_query(query));
        let asked = read("limit=10&searchField=name&sortDirection=desc&sortBy=createdAt&filterOperator=lte");
        let asked = asked.ok().unwrap();
        assert_eq!((asked.limit, asked.offset), (Some(10), None));
        assert_eq!(asked.search_field, Some(SearchField::Name));
        assert_eq!(asked.sort_direction, Some(SortDirection::Descending));
        assert_eq!(asked.sort_by.as_deref().and_then(UserField::named), Some(UserField::CreatedAt));
        assert_eq!(asked.filter_operator, Some(FilterOperator::Lte));
        assert_eq!(
            issues(read("sortDirection=down")).as_deref(),
            Some(r#"[query.sortDirection] Invalid option: expected one of "asc"|"desc""#)
        );
        for query in ["searchField=id", "searchOperator=like", "filterOperator=in", "sortDirection="] {
            assert!(issues(read(query)).is_some(), "{query}");
        }
        assert!(read("sortBy=password&filterField=password&limit=x&offset=-1").is_ok());
        assert_eq!(UserField::named("password"), None);
    }

    #[test]
    fn some_data_is_refused_in_words_of_its_own() {
        for (data, refusal) in [
            (json!({}), Err(AuthError::NO_DATA_TO_UPDATE)),
            (json!({ "password": null }), Err(AuthError::PASSWORD_CANNOT_BE_UPDATED_VIA_UPDATE_USER)),
            (json!({ "id": "x", "name": "Ann" }), Err(AuthError::USER_ID_CANNOT_BE_UPDATED)),
            (json!({ "role": 1 }), Err(AuthError::INVALID_ROLE_TYPE)),
            (json!({ "role": null }), Err(AuthError::INVALID_ROLE_TYPE)),
            (json!({ "role": ["user", 1] }), Err(AuthError::INVALID_ROLE_TYPE)),
            (json!({ "role": ["user", "admin"] }), Ok(())),
            (json!({ "name": "Ann" }), Ok(())),
        ] {
            assert_eq!(refuse_data(&data), refusal, "{data}");
        }
        assert_eq!(refuse_role(&json!({})), Ok(()));
    }

    #[test]
    fn data_names_a_tier_that_users_can_have() {
        for (tier, _) in AccountTier::ALL {
            assert!(UserData::read(&json!({ "tier": tier })).is_ok(), "{tier}");
        }
        let names: Vec<&str> = AccountTier::ALL.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, limits::Tier::ACCOUNTS.map(limits::Tier::name));
        assert_eq!(missing(UserData::read(&json!({ "tier": "anonymous" }))), ["body.data.tier"]);
    }

    #[test]
    fn an_empty_request_names_what_is_missing() {
        let none: [&str; 0] = [];
        let empty = json!({});
        assert_eq!(missing(ListUsers::read(&empty)), none);
        assert_eq!(missing(GetUser::read(&empty)), ["query.id"]);
        assert_eq!(missing(CreateUser::read(&empty)), ["body.email", "body.name"]);
        assert_eq!(missing(ChangeUser::read(&empty)), ["body.userId", "body.data"]);
        assert_eq!(missing(UserData::read(&json!({ "name": 1 }))), ["body.data.name"]);
        assert_eq!(missing(SetRole::read(&empty)), ["body.userId", "body.role"]);
        assert_eq!(missing(BanUser::read(&empty)), ["body.userId"]);
        assert_eq!(missing(OneUser::read(&empty)), ["body.userId"]);
        assert_eq!(missing(RevokeUserSession::read(&empty)), ["body.sessionToken"]);
        assert_eq!(missing(SetUserPassword::read(&empty)), ["body.userId", "body.newPassword"]);
        assert_eq!(missing(HasPermission::read(&empty)), ["body.permissions"]);
    }
}

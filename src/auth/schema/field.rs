//! The kinds of fields that bodies and queries are made of, each with its bound.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use serde_json::{Map, Value};

use crate::app::parse_time;
use crate::auth::email::parse_email;
use crate::config::Secret;

/// Longest duration, in seconds: a hundred years.
const MAX_SECONDS: u64 = 100 * 365 * 24 * 60 * 60;
/// Longest text that has no bound of its own, in bytes.
const MAX_TEXT_BYTES: usize = 4096;
/// Most resources, and most actions of each, in one question about permissions.
const MAX_PERMISSIONS: usize = 32;
/// Most roles of one user, and longest name of one, in bytes.
const MAX_ROLES: usize = 10;
const MAX_ROLE_BYTES: usize = 64;
/// The last instant of a JavaScript date: 100 million days after 1970, in milliseconds.
const LAST_INSTANT_MS: f64 = 8.64e15;
/// Most fields of an object that is passed on.
const MAX_MEMBERS: usize = 64;

/// What a field must be, and what becomes of it.
pub trait Kind {
    /// What a handler gets.
    type Value;

    /// Reads a field; none if it is missing.
    ///
    /// # Errors
    /// What is wrong with it, without its value.
    fn read(value: Option<&Value>) -> Result<Self::Value, String>;
}

/// A text of at most so many bytes.
pub struct Bounded<const MAX_BYTES: usize>;
/// Any other text.
pub type Text = Bounded<MAX_TEXT_BYTES>;
/// What a user is called; may be empty.
pub type Name = Bounded<1024>;
/// Where a user's picture is.
pub type Image = Bounded<8192>;
/// A well-formed e-mail address; lower-cased.
pub struct Email;
/// A password. Its length has refusals of its own.
pub struct Password;
/// `true` or `false`.
pub struct Flag;
/// A switch in a query: on for any text but the empty one, even for `false`.
pub struct Switch;
/// A whole number above 0, also as text. Everything else counts as 0, which stands for none.
pub struct Count;
/// A duration in seconds, perhaps back in time. Fractions are cut off.
pub struct Seconds;
/// An instant: milliseconds since 1970, or a text in ISO 8601. What was before 1970 is 1970.
pub struct Instant;
/// One role or several; as they are stored, joined by commas.
pub struct Roles;
/// Actions by resource.
pub struct Permissions;
/// An object that is read further on.
pub struct Object;
/// One of a few words.
pub struct OneOf<C>(PhantomData<C>);
/// May be missing, but not null.
pub struct Opt<K>(PhantomData<K>);
/// May be null.
pub struct OrNull<K>(PhantomData<K>);

/// An enum whose variants have names on the wire.
pub trait Choice: Copy + 'static {
    /// All of them.
    const ALL: &'static [(&'static str, Self)];

    /// The one with this name.
    fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, choice)| *choice)
    }
}

fn unexpected(expected: &str, value: Option<&Value>) -> String {
    let received = match value {
        None => "undefined",
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "boolean",
        Some(Value::Number(_)) => "number",
        Some(Value::String(_)) => "string",
        Some(Value::Array(_)) => "array",
        Some(Value::Object(_)) => "object",
    };
    format!("Invalid input: expected {expected}, received {received}")
}

/// The members of an object.
///
/// # Errors
/// That it is none.
pub fn members(value: Option<&Value>) -> Result<&Map<String, Value>, String> {
    value.and_then(Value::as_object).ok_or_else(|| unexpected("object", value))
}

fn text(value: Option<&Value>) -> Result<&str, String> {
    value.and_then(Value::as_str).ok_or_else(|| unexpected("string", value))
}

fn too_big(what: &str, most: usize, unit: &str) -> String {
    format!("Too big: expected {what} to have at most {most} {unit}")
}

impl<const MAX_BYTES: usize> Kind for Bounded<MAX_BYTES> {
    type Value = String;

    fn read(value: Option<&Value>) -> Result<String, String> {
        let text = text(value)?;
        if text.len() > MAX_BYTES { Err(too_big("string", MAX_BYTES, "bytes")) } else { Ok(text.to_owned()) }
    }
}

impl Kind for Email {
    type Value = String;

    fn read(value: Option<&Value>) -> Result<String, String> {
        parse_email(text(value)?).ok_or_else(|| "Invalid email address".to_owned())
    }
}

impl Kind for Password {
    type Value = Secret;

    fn read(value: Option<&Value>) -> Result<Secret, String> {
        text(value).map(Secret::from)
    }
}

impl Kind for Flag {
    type Value = bool;

    fn read(value: Option<&Value>) -> Result<bool, String> {
        value.and_then(Value::as_bool).ok_or_else(|| unexpected("boolean", value))
    }
}

impl Kind for Switch {
    type Value = bool;

    fn read(value: Option<&Value>) -> Result<bool, String> {
        value.map_or(Ok(false), |value| text(Some(value)).map(|text| !text.is_empty()))
    }
}

impl Kind for Count {
    type Value = u32;

    fn read(value: Option<&Value>) -> Result<u32, String> {
        let number = match value {
            Some(Value::Number(number)) => number.as_u64().and_then(|number| number.try_into().ok()),
            Some(Value::String(text)) => text.trim().parse().ok(),
            other => return Err(unexpected("number", other)),
        };
        Ok(number.unwrap_or(0))
    }
}

impl Kind for Seconds {
    type Value = i64;

    fn read(value: Option<&Value>) -> Result<i64, String> {
        let seconds = value.and_then(Value::as_f64).ok_or_else(|| unexpected("number", value))?;
        if seconds.abs() <= MAX_SECONDS as f64 {
            Ok(seconds as i64)
        } else {
            Err(format!("Invalid input: expected a number from -{MAX_SECONDS} to {MAX_SECONDS}"))
        }
    }
}

impl Kind for Instant {
    type Value = u64;

    fn read(value: Option<&Value>) -> Result<u64, String> {
        let millis = match value {
            Some(Value::String(text)) => parse_time(text),
            other => other.and_then(Value::as_f64),
        };
        let millis = millis.filter(|millis| millis.abs() <= LAST_INSTANT_MS);
        millis.map(|millis| millis as u64).ok_or_else(|| "Invalid input: expected a date".to_owned())
    }
}

impl Kind for Roles {
    type Value = String;

    fn read(value: Option<&Value>) -> Result<String, String> {
        let given: Vec<&str> = match value {
            Some(Value::Array(roles)) => {
                roles.iter().map(|role| text(Some(role))).collect::<Result<_, _>>()?
            }
            Some(Value::String(role)) => vec![role],
            other => return Err(unexpected("string or array", other)),
        };
        // A text may be several already.
        let roles: Vec<&str> = given.iter().flat_map(|role| role.split(',')).take(MAX_ROLES + 1).collect();
        if roles.len() > MAX_ROLES {
            return Err(too_big("roles", MAX_ROLES, "names"));
        }
        if !roles.is_empty() && roles.iter().copied().all(is_role) {
            Ok(roles.join(","))
        } else {
            let length = format!("1 to {MAX_ROLE_BYTES} letters, digits, - or _");
            Err(format!("Invalid input: expected names of {length}"))
        }
    }
}

fn is_role(name: &str) -> bool {
    (1..=MAX_ROLE_BYTES).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

impl Kind for Permissions {
    type Value = BTreeMap<String, Vec<String>>;

    fn read(value: Option<&Value>) -> Result<Self::Value, String> {
        let resources = members(value)?;
        let lists = resources.values().filter_map(Value::as_array);
        if resources.len() > MAX_PERMISSIONS || lists.into_iter().any(|list| list.len() > MAX_PERMISSIONS) {
            return Err(too_big("permissions", MAX_PERMISSIONS, "resources of as many actions"));
        }
        let action = |action: &Value| Text::read(Some(action));
        let of_resource = |(name, actions): (&String, &Value)| {
            let actions = actions.as_array().ok_or_else(|| unexpected("array", Some(actions)))?;
            Ok((name.clone(), actions.iter().map(action).collect::<Result<_, String>>()?))
        };
        resources.iter().map(of_resource).collect()
    }
}

impl Kind for Object {
    type Value = Value;

    fn read(value: Option<&Value>) -> Result<Value, String> {
        let members = members(value)?;
        if members.len() > MAX_MEMBERS {
            Err(too_big("object", MAX_MEMBERS, "members"))
        } else {
            Ok(members.clone().into())
        }
    }
}

impl<C: Choice> Kind for OneOf<C> {
    type Value = C;

    fn read(value: Option<&Value>) -> Result<C, String> {
        value.and_then(Value::as_str).and_then(C::named).ok_or_else(|| {
            let names: Vec<String> = C::ALL.iter().map(|(name, _)| format!("{name:?}")).collect();
            format!("Invalid option: expected one of {}", names.join("|"))
        })
    }
}

impl<K: Kind> Kind for Opt<K> {
    type Value = Option<K::Value>;

    fn read(value: Option<&Value>) -> Result<Self::Value, String> {
        value.map(|value| K::read(Some(value))).transpose()
    }
}

impl<K: Kind> Kind for OrNull<K> {
    type Value = Option<K::Value>;

    fn read(value: Option<&Value>) -> Result<Self::Value, String> {
        if value == Some(&Value::Null) { Ok(None) } else { K::read(value).map(Some) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read<K: Kind>(value: Value) -> Result<K::Value, String> {
        K::read(Some(&value))
    }

    #[test]
    fn what_is_wrong_is_said_as_zod_says_it() {
        for (value, received) in [
            (None, "undefined"),
            (Some(json!(null)), "null"),
            (Some(json!(true)), "boolean"),
            (Some(json!(1)), "number"),
            (Some(json!([])), "array"),
            (Some(json!({})), "object"),
        ] {
            let expected = format!("Invalid input: expected string, received {received}");
            assert_eq!(Text::read(value.as_ref()), Err(expected));
        }
        assert_eq!(
            read::<Flag>(json!("true")),
            Err("Invalid input: expected boolean, received string".to_owned())
        );
        assert_eq!(read::<Email>(json!("a@b")), Err("Invalid email address".to_owned()));
    }

    #[test]
    fn texts_have_bounds() {
        fn bound<K: Kind>(most: usize) {
            assert!(read::<K>(json!("a".repeat(most))).is_ok());
            assert!(read::<K>(json!("a".repeat(most + 1))).is_err());
        }
        bound::<Text>(4096);
        bound::<Name>(1024);
        bound::<Image>(8192);
        assert_eq!(read::<Name>(json!("")), Ok(String::new()));
        assert_eq!(read::<Email>(json!("Ann@Example.com")), Ok("ann@example.com".to_owned()));
    }

    #[test]
    fn missing_and_null_are_different() {
        assert_eq!(Opt::<Text>::read(None), Ok(None));
        assert!(read::<Opt<Text>>(json!(null)).is_err());
        assert_eq!(read::<Opt<OrNull<Text>>>(json!(null)), Ok(Some(None)));
        assert_eq!(read::<Opt<OrNull<Text>>>(json!("a")), Ok(Some(Some("a".to_owned()))));
        assert!(OrNull::<Text>::read(None).is_err());
    }

    #[test]
    fn a_switch_is_on_for_any_text() {
        assert_eq!(Switch::read(None), Ok(false));
        for (text, on) in [("", false), ("true", true), ("false", true), ("0", true)] {
            assert_eq!(read::<Switch>(json!(text)), Ok(on), "{text}");
        }
    }

    #[test]
    fn numbers_have_bounds() {
        for (value, count) in [
            (json!(7), Some(7)),
            (json!("7"), Some(7)),
            (json!(" 7 "), Some(7)),
            (json!(""), Some(0)),
            (json!("4294967296"), Some(0)),
            (json!(-1), Some(0)),
            (json!("-1"), Some(0)),
            (json!(1.5), Some(0)),
            (json!("ten"), Some(0)),
            (json!(null), None),
        ] {
            assert_eq!(read::<Count>(value.clone()).ok(), count, "{value}");
        }
        for (value, seconds) in [
            (json!(0), Some(0)),
            (json!(60.9), Some(60)),
            (json!(3_153_600_000_u64), Some(3_153_600_000)),
            (json!(3_153_600_001_u64), None),
            (json!(1e300), None),
            (json!(-5), Some(-5)),
            (json!(-3_153_600_001_i64), None),
            (json!("60"), None),
        ] {
            assert_eq!(read::<Seconds>(value.clone()).ok(), seconds, "{value}");
        }
    }

    #[test]
    fn instants_are_milliseconds() {
        for (value, instant) in [
            (json!(0), Some(0)),
            (json!(1_800_000_000_007_u64), Some(1_800_000_000_007)),
            (json!(-1), Some(0)),
            (json!(8.64e15), Some(8_640_000_000_000_000)),
            (json!(8.65e15), None),
            (json!(true), None),
            (json!(null), None),
        ] {
            assert_eq!(read::<Instant>(value.clone()).ok(), instant, "{value}");
        }
    }

    #[test]
    fn roles_are_one_text() {
        let longest = "r".repeat(64);
        for (value, roles) in [
            (json!("admin"), Some("admin")),
            (json!(["user", "admin"]), Some("user,admin")),
            (json!("user,Support_2"), Some("user,Support_2")),
            (json!(["a,b", "c-d"]), Some("a,b,c-d")),
            (json!(longest), Some(longest.as_str())),
            (json!("r".repeat(65)), None),
            (json!(vec!["r"; 10]), Some("r,r,r,r,r,r,r,r,r,r")),
            (json!(vec!["r"; 11]), None),
            (json!(["user", 1]), None),
            (json!([]), None),
            (json!({}), None),
            (json!(""), None),
            (json!("user,"), None),
            (json!("user, admin"), None),
            (json!("ädmin"), None),
        ] {
            assert_eq!(read::<Roles>(value.clone()).ok().as_deref(), roles, "{value}");
        }
    }

    #[test]
    fn permissions_are_lists_of_actions() {
        let permissions = read::<Permissions>(json!({ "user": ["list", "ban"], "session": [] })).unwrap();
        assert_eq!(permissions["user"], ["list", "ban"]);
        assert_eq!(permissions["session"], Vec::<String>::new());
        for wrong in
            [json!([]), json!({ "user": "list" }), json!({ "user": [1] }), json!({ "user": vec!["a"; 33] })]
        {
            assert!(read::<Permissions>(wrong.clone()).is_err(), "{wrong}");
        }
        let many: Map<String, Value> = (0..33).map(|n| (n.to_string(), json!([]))).collect();
        assert!(read::<Permissions>(many.into()).is_err());
    }

    #[test]
    fn an_object_has_few_members() {
        let of = |n: usize| Value::from((0..n).map(|n| (n.to_string(), json!(n))).collect::<Map<_, _>>());
        assert_eq!(read::<Object>(of(64)), Ok(of(64)));
        assert!(read::<Object>(of(65)).is_err() && read::<Object>(json!([])).is_err());
    }
}

//! Better Auth's cookies: which are read, and how they are set.
//!
//! The old deployments wrote other prefixes; theirs are still read, so that nobody is signed out by a move. What is
//! written has Better Auth's own.

use super::key::AuthKey;
use super::signed::{encode_component, sign, verify};

/// Longest `Cookie` field that is looked at, in bytes. Browsers send at most 4 KiB per cookie; ours have 200.
const MAX_HEADER_BYTES: usize = 16 * 1024;
/// The prefixes that are read, in this order; the first is written.
const PREFIXES: [&str; 3] = ["better-auth", "adblock", "bloqr"];
/// Life of a session, in seconds: 7 days.
pub const SESSION_SECONDS: u32 = 7 * 24 * 60 * 60;
/// What a cookie is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// The signed session token.
    SessionToken,
    /// Signed `true`: the session ends with the browser.
    DontRemember,
    /// A cached session. Never set here, but cleared.
    SessionData,
    /// The session of an admin who acts as somebody else.
    AdminSession,
}

/// The cookies that end with a session, in the order in which they are cleared.
const OF_A_SESSION: [Name; 3] = [Name::SessionToken, Name::SessionData, Name::DontRemember];

impl Name {
    fn suffix(self) -> &'static str {
        match self {
            Self::SessionToken => "session_token",
            Self::DontRemember => "dont_remember",
            Self::SessionData => "session_data",
            Self::AdminSession => "admin_session",
        }
    }
}

/// How long a browser keeps a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeps {
    /// For [`SESSION_SECONDS`], whatever is left of the session itself.
    Days,
    /// Until it is closed.
    UntilClosed,
}

/// The cookies of one deployment.
#[derive(Debug, Clone, Copy)]
pub struct Cookies<'a> {
    key: &'a AuthKey,
    secure: bool,
}

impl<'a> Cookies<'a> {
    /// Cookies signed with `key`. They are for encrypted connections alone if `base_url` is.
    pub fn new(key: &'a AuthKey, base_url: &str) -> Self {
        let scheme = base_url.get(..8).unwrap_or_default();
        Self { key, secure: scheme.eq_ignore_ascii_case("https://") }
    }

    /// The value of a signed cookie in a `Cookie` field. One that was tampered with counts as none.
    pub fn read(&self, header: Option<&str>, name: Name) -> Option<String> {
        self.raw(header, name).find_map(|value| verify(value, self.key))
    }

    /// Whether there is a cookie of this name, whatever is in it.
    pub fn has(&self, header: Option<&str>, name: Name) -> bool {
        self.raw(header, name).any(|value| !value.is_empty())
    }

    /// The admin's session token, and whether that session ends with the browser.
    pub fn read_admin_session(&self, header: Option<&str>) -> Option<(String, bool)> {
        let value = self.read(header, Name::AdminSession)?;
        let (token, dont_remember) = value.split_once(':')?;
        Some((token.to_owned(), !dont_remember.is_empty()))
    }

    /// The cookies of this name, at most one for each prefix: the first.
    fn raw<'h>(&self, header: Option<&'h str>, name: Name) -> impl Iterator<Item = &'h str> {
        let header = header.filter(|header| header.len() <= MAX_HEADER_BYTES).unwrap_or_default();
        let names = PREFIXES.map(|prefix| self.name(prefix, name));
        names.into_iter().filter_map(move |name| {
            let mut pairs = header.split(';').filter_map(|pair| pair.split_once('='));
            let (_, value) = pairs.find(|(found, _)| found.trim() == name)?;
            let value = value.trim();
            let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
            Some(unquoted.unwrap_or(value))
        })
    }

    fn name(&self, prefix: &str, name: Name) -> String {
        format!("{}{prefix}.{}", if self.secure { "__Secure-" } else { "" }, name.suffix())
    }

    fn set(&self, name: Name, value: &str, max_age: Option<u32>) -> String {
        let [prefix, ..] = PREFIXES;
        let name = self.name(prefix, name);
        let max_age = max_age.map(|seconds| format!("Max-Age={seconds}; ")).unwrap_or_default();
        let secure = if self.secure { "Secure; " } else { "" };
        format!("{name}={value}; {max_age}Path=/; HttpOnly; {secure}SameSite=Lax")
    }
}

/// What an answer does to the browser's cookies. One answer can clear and set the same; the last line wins.
#[derive(Debug)]
pub struct SetCookies<'a> {
    cookies: Cookies<'a>,
    lines: Vec<String>,
    auth_token: Option<String>,
}

impl<'a> SetCookies<'a> {
    /// Nothing so far.
    pub fn new(cookies: Cookies<'a>) -> Self {
        Self { cookies, lines: Vec::new(), auth_token: None }
    }

    /// Hands out a session. Clients without cookies find its token in a header.
    pub fn set_session(&mut self, token: &str, keeps: Keeps) {
        self.set_signed(Name::SessionToken, token, (keeps == Keeps::Days).then_some(SESSION_SECONDS));
        self.auth_token = Some(sign(token, self.cookies.key));
    }

    /// Notes that the session ends with the browser.
    pub fn set_dont_remember(&mut self) {
        self.set_signed(Name::DontRemember, "true", None);
    }

    /// Puts the admin's own session aside.
    pub fn set_admin_session(&mut self, token: &str, dont_remember: bool) {
        let value = format!("{token}:{}", if dont_remember { "true" } else { "" });
        self.set_signed(Name::AdminSession, &value, Some(SESSION_SECONDS));
    }

    /// Clears one cookie.
    pub fn clear(&mut self, name: Name) {
        self.lines.push(self.cookies.set(name, "", Some(0)));
    }

    /// Clears all that belongs to a session.
    pub fn clear_session(&mut self) {
        OF_A_SESSION.into_iter().for_each(|name| self.clear(name));
    }

    /// The values of the `Set-Cookie` fields, in order.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// The value of the `set-auth-token` field, if a session was handed out. The field must be exposed to pages.
    pub fn auth_token(&self) -> Option<&str> {
        self.auth_token.as_deref()
    }

    fn set_signed(&mut self, name: Name, value: &str, max_age: Option<u32>) {
        let encoded = encode_component(&sign(value, self.cookies.key));
        self.lines.push(self.cookies.set(name, &encoded, max_age));
    }
}

#[cfg(test)]
mod tests {
    use super::super::signed::{VECTORS, decode};
    use super::*;

    fn key() -> AuthKey {
        AuthKey::new("sample-secret-0123456789abcdefghijklmnopqrstuv").unwrap()
    }

    fn read(base_url: &str, header: &str) -> Option<String> {
        Cookies::new(&key(), base_url).read(Some(header), Name::SessionToken)
    }

    fn read_http(header: &str) -> Option<String> {
        read("http://localhost:8787", header)
    }

    #[test]
    fn signatures_are_those_of_better_auth() {
        let key = key();
        let mut set = SetCookies::new(Cookies::new(&key, "http://localhost"));
        let [(token, session), (_, dont_remember), (admin, admin_session)] = VECTORS;
        set.set_session(token, Keeps::UntilClosed);
        set.set_dont_remember();
        set.set_admin_session(admin.trim_end_matches(':'), false);
        let rest = "Path=/; HttpOnly; SameSite=Lax";
        assert_eq!(
            set.lines(),
            [
                format!("better-auth.session_token={session}; {rest}"),
                format!("better-auth.dont_remember={dont_remember}; {rest}"),
                format!("better-auth.admin_session={admin_session}; Max-Age=604800; {rest}"),
            ]
        );
    }

    #[test]
    fn https_decides_on_names_and_on_secure() {
        for (base_url, prefix, secure) in [
            ("https://app.example.com", "__Secure-", "Secure; "),
            ("HTTPS://app.example.com/path", "__Secure-", "Secure; "),
            ("http://app.example.com", "", ""),
            ("http://https://", "", ""),
        ] {
            let key = key();
            let mut set = SetCookies::new(Cookies::new(&key, base_url));
            set.set_session(VECTORS[0].0, Keeps::Days);
            let expected = format!(
                "{prefix}better-auth.session_token={}; Max-Age=604800; Path=/; HttpOnly; {secure}SameSite=Lax",
                VECTORS[0].1
            );
            assert_eq!(set.lines(), [expected]);
        }
        let (value, cookie) = VECTORS[0];
        let plain = format!("better-auth.session_token={cookie}");
        let prefixed = format!("__Secure-{plain}");
        assert_eq!(read_http(&plain).as_deref(), Some(value));
        assert_eq!(read_http(&prefixed), None);
        assert_eq!(read("https://a.example", &prefixed).as_deref(), Some(value));
        assert_eq!(read("https://a.example", &plain), None);
    }

    #[test]
    fn all_prefixes_are_read_in_their_order() {
        let key = key();
        let cookie = |prefix: &str, token: &str| format!("{prefix}.session_token={}", sign(token, &key));
        let all = [cookie("bloqr", "c"), cookie("adblock", "b"), cookie("better-auth", "a")];
        assert_eq!(read_http(&all.join("; ")).as_deref(), Some("a"));
        assert_eq!(read_http(&all[..2].join("; ")).as_deref(), Some("b"));
        assert_eq!(read_http(&all[0]).as_deref(), Some("c"));
        assert_eq!(read_http(&cookie("other", "d")), None);
        // What was tampered with counts as none.
        let tampered = cookie("better-auth", "a").replace("=a.", "=x.");
        assert_eq!(read_http(&format!("{tampered}; {}", all[1])).as_deref(), Some("b"));
    }

    #[test]
    fn cookies_are_read_as_better_auth_reads_them() {
        let (value, encoded) = VECTORS[0];
        let raw = decode(encoded).into_owned();
        let name = "better-auth.session_token";
        let other = sign("other", &key());
        for (header, found) in [
            (format!("a=b; {name}={encoded}; c=d"), Some(value)),
            (format!("a=b;{name}={raw}"), Some(value)),
            (format!("  {name} = \"{encoded}\" "), Some(value)),
            (format!("{name}={encoded}; {name}={other}"), Some(value)),
            (format!("{name}={other}; {name}={encoded}"), Some("other")),
            (format!("{name}=x.y; {name}={encoded}"), None),
            (format!("{name}={value}"), None),
            (format!("{name}="), None),
            (format!("{name}={encoded}%"), None),
            (format!("{name}={}", raw.trim_end_matches('=')), None),
            (format!("{name}={raw}="), None),
            (format!("{name}={}", raw.replace('a', "b")), None),
            (format!("x{name}={encoded}"), None),
            (String::new(), None),
        ] {
            assert_eq!(read_http(&header).as_deref(), found, "{header}");
        }
        assert_eq!(Cookies::new(&key(), "http://a").read(None, Name::SessionToken), None);
    }

    #[test]
    fn a_field_over_the_bound_has_no_cookies() {
        let cookie = format!("better-auth.session_token={}; a=", VECTORS[0].1);
        let filled = |length: usize| format!("{cookie}{}", "a".repeat(length - cookie.len()));
        assert!(read_http(&filled(16 * 1024)).is_some());
        assert!(read_http(&filled(16 * 1024 + 1)).is_none());
    }

    #[test]
    fn three_clearings_in_order() {
        let key = key();
        let mut set = SetCookies::new(Cookies::new(&key, "https://a.example"));
        set.clear_session();
        let lines = ["session_token", "session_data", "dont_remember"].map(|name| {
            format!("__Secure-better-auth.{name}=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Lax")
        });
        assert_eq!(set.lines(), lines);
        assert_eq!(set.auth_token(), None);
        set.set_session("token", Keeps::Days);
        assert_eq!(set.lines().len(), 4);
        assert_eq!(set.auth_token(), Some(sign("token", &key).as_str()));
    }

    #[test]
    fn an_admin_session_comes_back() {
        let key = key();
        let cookies = Cookies::new(&key, "http://a.example");
        for dont_remember in [true, false] {
            let mut set = SetCookies::new(cookies);
            set.set_admin_session("token", dont_remember);
            let header = set.lines()[0].split(';').next().map(str::to_owned);
            assert_eq!(
                cookies.read_admin_session(header.as_deref()),
                Some(("token".to_owned(), dont_remember))
            );
        }
        assert!(cookies.has(Some("better-auth.session_data=x"), Name::SessionData));
        assert!(!cookies.has(Some("better-auth.session_data="), Name::SessionData));
        assert!(!cookies.has(None, Name::SessionData));
    }
}

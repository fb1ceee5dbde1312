//! Which statements an admin may have run: one that only reads, and nothing secret.
//!
//! Reads the statement into the tokens that SQLite would see, so that neither a comment nor a literal hides a word,
//! nor makes one up. Where this reading and SQLite's could differ, the statement is refused.
//! <https://github.com/sqlite/sqlite/blob/master/src/tokenize.c>

/// Longest statement, in bytes.
pub const MAX_STATEMENT_BYTES: usize = 10_000;

/// Words that no reading statement needs, in whatever place. `REPLACE` is a function, too, which goes with them.
const FORBIDDEN_WORDS: [&str; 18] = [
    "ATTACH",
    "DETACH",
    "PRAGMA",
    "VACUUM",
    "INSERT",
    "UPDATE",
    "DELETE",
    "REPLACE",
    "DROP",
    "ALTER",
    "CREATE",
    "REINDEX",
    "ANALYZE",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT",
    "RELEASE",
];

/// Functions that reach out of the database. Their names may be quoted.
const FORBIDDEN_FUNCTIONS: [&str; 4] = ["load_extension", "readfile", "writefile", "edit"];

/// Tables and columns with password hashes and mailed tokens, and the tables of SQLite's in which the content of
/// others shows: raw pages, and samples of indexed columns.
const SECRETS: [&str; 9] = [
    "account",
    "verification",
    "password",
    "sqlite_dbpage",
    "sqlite_dbdata",
    "sqlite_dbptr",
    "sqlite_stat2",
    "sqlite_stat3",
    "sqlite_stat4",
];

/// Why a statement is not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It has more than [`MAX_STATEMENT_BYTES`].
    #[error("must have at most {} bytes", MAX_STATEMENT_BYTES)]
    TooLong,
    /// It is of another kind.
    #[error("Only SELECT queries are allowed")]
    NoSelect,
    /// It is several statements, could write, names what is secret, or can't be told apart from one that does.
    #[error("Query contains disallowed SQL statements")]
    Disallowed,
}

/// One statement that can't write and names nothing secret. There is no other way to make one than to prove that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadOnly<'a>(&'a str);

impl<'a> ReadOnly<'a> {
    /// Takes a statement if it is fit; a semicolon at its end is left out.
    ///
    /// # Errors
    /// If it is not.
    pub fn parse(sql: &'a str) -> Result<Self, Refused> {
        if sql.len() > MAX_STATEMENT_BYTES {
            return Err(Refused::TooLong);
        }
        // SQLite would stop reading there.
        if sql.contains('\0') {
            return Err(Refused::Disallowed);
        }
        let mut tokens = Tokens { rest: sql };
        match tokens.take()? {
            Some(Token::Word(word)) if is_one_of(word, &["SELECT", "WITH"]) => {}
            _ => return Err(Refused::NoSelect),
        }
        let mut depth = 0_u32;
        while let Some(token) = tokens.take()? {
            match token {
                Token::Word(word) if is_one_of(word, &FORBIDDEN_WORDS) => return Err(Refused::Disallowed),
                Token::Word(name) => check_name(name)?,
                Token::Name(name) => check_name(&name)?,
                // SQLite takes a text for a name where only a name can be.
                Token::Text(text) if is_one_of(&text, &SECRETS) => return Err(Refused::Disallowed),
                Token::Text(_) => {}
                Token::Symbol('(') => depth += 1,
                // Nothing closes the parentheses into which the statement is put.
                Token::Symbol(')') => depth = depth.checked_sub(1).ok_or(Refused::Disallowed)?,
                Token::Symbol(';') => {
                    let end = sql.len() - tokens.rest.len() - 1;
                    return match tokens.take()? {
                        None => Ok(Self(sql.get(..end).unwrap_or_default())),
                        Some(_) => Err(Refused::Disallowed),
                    };
                }
                Token::Symbol(_) => {}
            }
        }
        Ok(Self(sql))
    }

    /// The statement. It may end in a comment.
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

fn check_name(name: &str) -> Result<(), Refused> {
    if is_one_of(name, &SECRETS) || is_one_of(name, &FORBIDDEN_FUNCTIONS) {
        return Err(Refused::Disallowed);
    }
    Ok(())
}

/// SQLite knows upper and lower case of ASCII alone.
fn is_one_of(word: &str, words: &[&str]) -> bool {
    words.iter().any(|known| known.eq_ignore_ascii_case(word))
}

enum Token<'a> {
    /// A keyword, a name or a number.
    Word(&'a str),
    /// A name in quotes, without them.
    Name(String),
    /// A text, without its quotes.
    Text(String),
    /// Anything else.
    Symbol(char),
}

/// What is not read yet.
struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    /// The next token; none at the end.
    fn take(&mut self) -> Result<Option<Token<'a>>, Refused> {
        self.skip_blanks()?;
        let rest = self.rest;
        let mut chars = rest.chars();
        let Some(first) = chars.next() else { return Ok(None) };
        let token = match first {
            '\'' => Token::Text(self.take_quoted(first)?),
            '"' | '`' => Token::Name(self.take_quoted(first)?),
            '[' => {
                let (name, after) = chars.as_str().split_once(']').ok_or(Refused::Disallowed)?;
                self.rest = after;
                Token::Name(name.to_owned())
            }
            // Parameters: no values come with the statement, and SQLite reads what follows `$a(` in a way of its own.
            '?' | '$' | '@' | ':' | '#' => return Err(Refused::Disallowed),
            // SQLite takes it for a blank here, and for a letter within a word.
            '\u{feff}' => return Err(Refused::Disallowed),
            _ if is_in_word(first) => {
                let end = rest.find(|next: char| !is_in_word(next)).unwrap_or(rest.len());
                let (word, after) = rest.split_at(end);
                self.rest = after;
                Token::Word(word)
            }
            _ => {
                self.rest = chars.as_str();
                Token::Symbol(first)
            }
        };
        Ok(Some(token))
    }

    /// Skips white space and comments. One that does not end is refused: what is put after the statement would be
    /// part of it.
    fn skip_blanks(&mut self) -> Result<(), Refused> {
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\x0c', '\r']);
            if let Some(comment) = self.rest.strip_prefix("--") {
                self.rest = comment.split_once('\n').map_or("", |(_, after)| after);
            } else if let Some(comment) = self.rest.strip_prefix("/*") {
                self.rest = comment.split_once("*/").ok_or(Refused::Disallowed)?.1;
            } else {
                return Ok(());
            }
        }
    }

    /// What stands between quotes. Two of them are one that does not end it.
    fn take_quoted(&mut self, quote: char) -> Result<String, Refused> {
        let mut text = String::new();
        let mut chars = self.rest.chars();
        chars.next();
        while let Some(next) = chars.next() {
            if next != quote {
                text.push(next);
                continue;
            }
            let after = chars.as_str();
            match after.strip_prefix(quote) {
                Some(after) => {
                    text.push(quote);
                    chars = after.chars();
                }
                None => {
                    self.rest = after;
                    return Ok(text);
                }
            }
        }
        Err(Refused::Disallowed)
    }
}

/// As SQLite has it: everything beyond ASCII is a letter.
fn is_in_word(next: char) -> bool {
    next.is_ascii_alphanumeric() || matches!(next, '_' | '$') || !next.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_refused(sql: &str, refused: Refused) {
        assert_eq!(ReadOnly::parse(sql), Err(refused), "{sql}");
    }

    #[test]
    fn reading_statements_are_taken() {
        for sql in [
            "SELECT 1",
            "select count(*) from users",
            "  /* why */ -- and how\n SELECT a, (SELECT max(b) FROM c) FROM d WHERE e <> 1.5e3 -- the end",
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT i FROM n",
            "SELECT x'0aff', a->>'$.b', -1 - -1, 4 / 2 FROM [a b], `c``d`, \"e\"\"f\"",
            "SELECT created_at, updated_at, deleted FROM user_change",
            "SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'",
            "SELECT accounts, password_is_old FROM account_names",
        ] {
            assert_eq!(ReadOnly::parse(sql).map(ReadOnly::as_str), Ok(sql));
        }
    }

    #[test]
    fn what_stands_in_literals_and_comments_is_no_statement() {
        for sql in [
            "SELECT 'DELETE FROM users; --' AS a",
            "SELECT 'it''s; DROP' AS a",
            "SELECT \"delete\", [insert;], `drop` FROM a",
            "SELECT 1 /* ; DELETE */ + 2 -- ; UPDATE",
            "SELECT '/*', 1, '*/'",
            "SELECT 1 /*/ DELETE */",
        ] {
            assert_eq!(ReadOnly::parse(sql).map(ReadOnly::as_str), Ok(sql));
        }
    }

    #[test]
    fn one_semicolon_may_end_it() {
        assert_eq!(ReadOnly::parse("SELECT 1; \n-- done").map(ReadOnly::as_str), Ok("SELECT 1"));
        for sql in
            ["SELECT 1; SELECT 2", "SELECT 1;;", "SELECT 1; DELETE FROM a", "SELECT 1; /*", "SELECT 1; '"]
        {
            assert_refused(sql, Refused::Disallowed);
        }
    }

    #[test]
    fn other_statements_are_refused() {
        for sql in [
            "",
            ";",
            "  -- SELECT",
            "DELETE FROM users",
            "/* SELECT */ DELETE FROM users",
            "-- SELECT\nDROP TABLE users",
            "'SELECT'",
            "\"SELECT\" 1",
            "(SELECT 1)",
            "VALUES (1)",
            "EXPLAIN SELECT 1",
            "PRAGMA table_info(users)",
            "SELECTED 1",
        ] {
            assert_refused(sql, Refused::NoSelect);
        }
    }

    #[test]
    fn writing_words_are_refused_in_every_disguise() {
        for sql in [
            "WITH a AS (SELECT 1) DELETE FROM users",
            "WITH a AS (SELECT 1) insert into users select * from a",
            "WITH a AS (SELECT 1)/**/UpDaTe/**/users SET id = 1",
            "WITH a AS (SELECT 'x''y') -- '\n DELETE FROM users -- '",
            "WITH a AS (SELECT \"x\"\"y\") /* \" */ REPLACE INTO users SELECT 1 /* \" */",
            "SELECT load_extension('a')",
            "SELECT \"Load_Extension\"('a')",
            "SELECT [writefile]('a', 'b'), edit('c')",
        ] {
            assert_refused(sql, Refused::Disallowed);
        }
        for word in FORBIDDEN_WORDS {
            assert_refused(&format!("SELECT 1 {word} 2"), Refused::Disallowed);
            assert_refused(&format!("WITH a AS (SELECT 1){}(2)", word.to_lowercase()), Refused::Disallowed);
        }
    }

    #[test]
    fn what_is_secret_has_no_name_that_is_taken() {
        for secret in SECRETS {
            for name in [
                secret.to_owned(),
                secret.to_uppercase(),
                format!("main.{secret}"),
                format!("main/**/./**/{secret}"),
                format!("\"{secret}\""),
                format!("[{secret}]"),
                format!("`{secret}`"),
                format!("'{secret}'"),
            ] {
                assert_refused(&format!("SELECT * FROM {name}"), Refused::Disallowed);
            }
        }
    }

    #[test]
    fn what_sqlite_may_read_otherwise_is_refused() {
        for sql in [
            "SELECT 1 /* and so on",
            "SELECT 'and so on",
            "SELECT \"and so on",
            "SELECT [and so on",
            "SELECT 1) UNION SELECT * FROM (SELECT 2",
            "SELECT $a(') , (SELECT 1) --'",
            "SELECT ?1",
            "SELECT :a, @b, #c",
            "SELECT \u{feff}DELETE",
            "SELECT 1\0; DELETE FROM users",
        ] {
            assert_refused(sql, Refused::Disallowed);
        }
    }

    #[test]
    fn a_statement_has_at_most_10_000_bytes() {
        let of = |n: usize| format!("SELECT {}", "1".repeat(n - 7));
        assert!(ReadOnly::parse(&of(10_000)).is_ok());
        assert_refused(&of(10_001), Refused::TooLong);
    }
}

//! The nodes of a rule's syntax tree.
//!
//! Their JSON is the contract: it is that of `@adguard/agtree` 4.2.0 as its parser gives it without locations,
//! which is why these types derive `Serialize` (decision note 0011). An absent field is absent there, not null.
//!
//! # Positions
//!
//! A leaf of the tree, [`Value`] or [`Domain`], knows where it stands in the rule ([`Span`]); where a larger
//! node stands follows from its first and last leaf. Positions are no part of the JSON and no part of equality:
//! two trees that say the same are equal. The errors of [`InvalidRule`] do have theirs in the JSON.

use std::borrow::Cow;

use serde::Serialize;
use serde::ser::{SerializeMap, SerializeSeq, Serializer};

/// A stretch of a rule's text, counted in UTF-16 units from the rule's start, as JavaScript counts.
///
/// Nodes that were not read from a text have the empty span at 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The first unit.
    pub start: u32,
    /// The first unit that is no longer part of it.
    pub end: u32,
}

/// The ad blocker whose syntax a rule or a list's head uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Syntax {
    /// Understood by all of them.
    Common,
    /// AdGuard.
    AdGuard,
    /// uBlock Origin.
    UblockOrigin,
    /// Adblock Plus.
    AdblockPlus,
}

/// What sort of thing a rule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Category {
    /// A line without anything.
    Empty,
    /// A line that could not be parsed.
    Invalid,
    /// A comment of any kind.
    Comment,
    /// A rule about what a page shows or runs.
    Cosmetic,
    /// A rule about requests.
    Network,
}

/// The end of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NewLine {
    /// `\n`
    Lf,
    /// `\r\n`
    Crlf,
    /// `\r`
    Cr,
}

impl NewLine {
    /// The line end itself.
    pub fn as_str(self) -> &'static str {
        match self {
            NewLine::Lf => "\n",
            NewLine::Crlf => "\r\n",
            NewLine::Cr => "\r",
        }
    }
}

/// A rule as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Raws {
    /// The text, without its line end.
    pub text: String,
    /// The line end; absent for a rule that was parsed alone and on the last line of a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nl: Option<NewLine>,
}

/// A list of rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type")]
pub struct FilterList {
    /// One rule for each line.
    pub children: Vec<Rule>,
}

/// One line of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Whose syntax it uses.
    pub syntax: Syntax,
    /// The text it was read from; absent if it was put together.
    pub raws: Option<Raws>,
    /// All else, by type of rule.
    pub kind: RuleKind,
}

/// The types of rules with the fields of each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum RuleKind {
    /// A blank line.
    Empty(EmptyRule),
    /// A line that could not be parsed.
    Invalid(InvalidRule),
    /// A comment that means nothing to a program.
    Comment(CommentRule),
    /// `! Title: My list`
    Metadata(MetadataCommentRule),
    /// `! aglint-disable rule-1`
    Config(ConfigCommentRule),
    /// `!#if adguard`
    PreProcessor(PreProcessorCommentRule),
    /// `[Adblock Plus 2.0]`
    Agent(AgentCommentRule),
    /// `!+ NOT_OPTIMIZED`
    Hint(HintCommentRule),
    /// `||example.org^$script`
    Network(NetworkRule),
    /// `0.0.0.0 example.org`, or a lone domain
    Host(HostRule),
    /// `example.org##.ad` and all its kin; the body says which type of rule it is.
    Cosmetic(CosmeticRule),
}

impl Rule {
    /// The name of the rule's type, which is its node's `type` in JSON.
    pub fn type_name(&self) -> &'static str {
        match &self.kind {
            RuleKind::Empty(_) => "EmptyRule",
            RuleKind::Invalid(_) => "InvalidRule",
            RuleKind::Comment(_) => "CommentRule",
            RuleKind::Metadata(_) => "MetadataCommentRule",
            RuleKind::Config(_) => "ConfigCommentRule",
            RuleKind::PreProcessor(_) => "PreProcessorCommentRule",
            RuleKind::Agent(_) => "AgentCommentRule",
            RuleKind::Hint(_) => "HintCommentRule",
            RuleKind::Network(_) => "NetworkRule",
            RuleKind::Host(_) => "HostRule",
            RuleKind::Cosmetic(rule) => match rule.body {
                CosmeticBody::ElementHiding(_) => "ElementHidingRule",
                CosmeticBody::CssInjection(_) => "CssInjectionRule",
                CosmeticBody::ScriptletInjection(_) => "ScriptletInjectionRule",
                CosmeticBody::HtmlFiltering(_) => "HtmlFilteringRule",
                CosmeticBody::JsInjection(_) => "JsInjectionRule",
            },
        }
    }

    /// The category of the rule's type.
    pub fn category(&self) -> Category {
        match &self.kind {
            RuleKind::Empty(_) => Category::Empty,
            RuleKind::Invalid(_) => Category::Invalid,
            RuleKind::Comment(_)
            | RuleKind::Metadata(_)
            | RuleKind::Config(_)
            | RuleKind::PreProcessor(_)
            | RuleKind::Agent(_)
            | RuleKind::Hint(_) => Category::Comment,
            RuleKind::Network(_) | RuleKind::Host(_) => Category::Network,
            RuleKind::Cosmetic(_) => Category::Cosmetic,
        }
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// The type and the category follow from the rest and are therefore not stored.
        #[derive(Serialize)]
        struct Node<'a> {
            r#type: &'static str,
            category: Category,
            syntax: Syntax,
            #[serde(flatten)]
            kind: &'a RuleKind,
            #[serde(skip_serializing_if = "Option::is_none")]
            raws: &'a Option<Raws>,
        }
        let node = Node {
            r#type: self.type_name(),
            category: self.category(),
            syntax: self.syntax,
            kind: &self.kind,
            raws: &self.raws,
        };
        node.serialize(serializer)
    }
}

/// A piece of text.
#[derive(Clone, Debug, Eq, Serialize)]
#[serde(tag = "type")]
pub struct Value {
    /// The text.
    pub value: String,
    /// Where it stands.
    #[serde(skip)]
    pub span: Span,
}

impl Value {
    /// A text that stands nowhere.
    pub fn new(value: impl Into<String>) -> Self {
        Value { value: value.into(), span: Span::default() }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// A blank line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EmptyRule {}

/// A line that could not be parsed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InvalidRule {
    /// The line.
    pub raw: String,
    /// What is wrong with it.
    pub error: InvalidRuleError,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "type")]
#[error("{message}")]
pub struct InvalidRuleError {
    /// The class of the error, mostly `AdblockSyntaxError`.
    pub name: Cow<'static, str>,
    /// A sentence for people.
    pub message: Cow<'static, str>,
    /// The first UTF-16 unit of the faulty part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<u32>,
    /// The first UTF-16 unit behind the faulty part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<u32>,
}

/// A comment that means nothing to a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CommentRule {
    /// `!` or `#`.
    pub marker: Value,
    /// What follows, its leading blanks included.
    pub text: Value,
}

/// A comment that says something about the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MetadataCommentRule {
    /// `!` or `#`.
    pub marker: Value,
    /// The name of the header as it was written.
    pub header: Value,
    /// What it says; never empty.
    pub value: Value,
}

/// A comment that configures AGLint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfigCommentRule {
    /// `!` or `#`.
    pub marker: Value,
    /// `aglint` or a word that begins so.
    pub command: Value,
    /// What the command is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub params: Option<ConfigParams>,
    /// The remark behind ` -- `.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<Value>,
}

/// What a configuration comment's command is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ConfigParams {
    /// The names of linter rules.
    List(ParameterList),
    /// The configuration of linter rules.
    Config(ConfigNode),
}

/// The configuration of linter rules: an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type")]
pub struct ConfigNode {
    /// The object.
    pub value: ConfigValue,
}

/// A value of a configuration, as in JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigValue {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number.
    Number(ConfigNumber),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<ConfigValue>),
    /// An object, in the order of its keys.
    Object(Vec<(String, ConfigValue)>),
}

/// A number of a configuration. Two are equal if they are so bit for bit.
#[derive(Clone, Copy, Debug)]
pub struct ConfigNumber(pub f64);

impl PartialEq for ConfigNumber {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for ConfigNumber {}

impl Serialize for ConfigValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// Up to here every whole number has a float of its own.
        const MAX_SAFE: f64 = 9_007_199_254_740_991.0;
        match self {
            ConfigValue::Null => serializer.serialize_unit(),
            ConfigValue::Bool(value) => serializer.serialize_bool(*value),
            // JSON has no word for numbers that are none.
            ConfigValue::Number(ConfigNumber(number)) if !number.is_finite() => serializer.serialize_unit(),
            // A whole number is written without a fraction.
            ConfigValue::Number(ConfigNumber(number))
                if number.fract() == 0.0 && number.abs() <= MAX_SAFE =>
            {
                serializer.serialize_i64(*number as i64)
            }
            ConfigValue::Number(ConfigNumber(number)) => serializer.serialize_f64(*number),
            ConfigValue::String(text) => serializer.serialize_str(text),
            ConfigValue::Array(values) => {
                let mut seq = serializer.serialize_seq(Some(values.len()))?;
                for value in values {
                    seq.serialize_element(value)?;
                }
                seq.end()
            }
            ConfigValue::Object(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

/// A directive to the program that reads the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PreProcessorCommentRule {
    /// The directive's name.
    pub name: Value,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub params: Option<PreProcessorParams>,
}

/// What a directive is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum PreProcessorParams {
    /// Any text.
    Value(Value),
    /// The content blockers of `safari_cb_affinity`.
    List(ParameterList),
    /// The condition of `if`.
    Expression(Expression),
}

/// A condition. It is never deeper than [`MAX_EXPRESSION_DEPTH`](super::MAX_EXPRESSION_DEPTH) when it was parsed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type")]
pub enum Expression {
    /// A name.
    Variable {
        /// The name.
        name: String,
    },
    /// An operator with its operands; `!` has only the left one.
    Operator {
        /// The operator.
        operator: Operator,
        /// The first operand.
        left: Box<Expression>,
        /// The second operand.
        #[serde(skip_serializing_if = "Option::is_none")]
        right: Option<Box<Expression>>,
    },
    /// A condition in parentheses.
    Parenthesis {
        /// What is in them.
        expression: Box<Expression>,
    },
}

/// An operator of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Operator {
    /// `!`
    #[serde(rename = "!")]
    Not,
    /// `&&`
    #[serde(rename = "&&")]
    And,
    /// `||`
    #[serde(rename = "||")]
    Or,
}

/// The ad blockers a list is made for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AgentCommentRule {
    /// One for each, never none.
    pub children: Vec<Agent>,
}

/// An ad blocker with its version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type")]
pub struct Agent {
    /// Its name.
    pub adblock: Value,
    /// Its least version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Value>,
    /// The syntax it stands for.
    pub syntax: Syntax,
}

/// Hints to AdGuard's compiler about the next rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HintCommentRule {
    /// One for each hint, never none.
    pub children: Vec<Hint>,
}

/// A hint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type")]
pub struct Hint {
    /// Its name.
    pub name: Value,
    /// What stands in its parentheses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub params: Option<ParameterList>,
}

/// Parameters of a hint, a directive, a comment or a scriptlet. One that was left out is `None`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type")]
pub struct ParameterList {
    /// The parameters, each as it was written: with its quotes, if it has any.
    pub children: Vec<Option<Value>>,
}

/// A rule about requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NetworkRule {
    /// Whether it allows what others block.
    pub exception: bool,
    /// What the address of a request must match; may be empty if there are modifiers.
    pub pattern: Value,
    /// The conditions behind the `$`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modifiers: Option<ModifierList>,
}

/// Modifiers of a rule; none only if they were written as `[$]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type")]
pub struct ModifierList {
    /// The modifiers.
    pub children: Vec<Modifier>,
}

/// A modifier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type")]
pub struct Modifier {
    /// Its name without the `~`.
    pub name: Value,
    /// What stands behind the `=`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Whether a `~` stands before it.
    pub exception: bool,
}

/// A line of a hosts file, or a lone domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HostRule {
    /// The address; `0.0.0.0` for a lone domain.
    pub ip: Value,
    /// The names.
    pub hostnames: HostnameList,
    /// The remark behind `#`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<Value>,
    /// Whether it is written without the address. Not in the JSON, where a lone domain looks like a whole line.
    #[serde(skip)]
    pub is_lone_domain: bool,
}

/// Names of hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type")]
pub struct HostnameList {
    /// The names.
    pub children: Vec<Value>,
}

/// A rule about what a page shows or runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CosmeticRule {
    /// Whether it cancels others.
    pub exception: bool,
    /// The conditions in `[$…]`, or those of uBlock Origin in a selector.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modifiers: Option<ModifierList>,
    /// Where it applies; none means everywhere.
    pub domains: DomainList,
    /// The mark between domains and body, such as `##`.
    pub separator: Value,
    /// What it does.
    pub body: CosmeticBody,
}

/// What a cosmetic rule does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum CosmeticBody {
    /// Hides elements.
    ElementHiding(ElementHidingRuleBody),
    /// Gives elements another style, or removes them.
    CssInjection(CssInjectionRuleBody),
    /// Runs scriptlets.
    ScriptletInjection(ScriptletInjectionRuleBody),
    /// Takes elements out before the page is built.
    HtmlFiltering(Value),
    /// Runs a script.
    JsInjection(Value),
}

/// Domains a rule applies to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type")]
pub struct DomainList {
    /// What stands between two of them.
    pub separator: char,
    /// The domains.
    pub children: Vec<Domain>,
}

/// A domain a rule applies to, or not.
#[derive(Clone, Debug, Eq, Serialize)]
#[serde(tag = "type")]
pub struct Domain {
    /// Its name without the `~`.
    pub value: String,
    /// Whether a `~` stands before it.
    pub exception: bool,
    /// Where its name stands.
    #[serde(skip)]
    pub span: Span,
}

impl PartialEq for Domain {
    fn eq(&self, other: &Self) -> bool {
        (&self.value, self.exception) == (&other.value, other.exception)
    }
}

/// Which elements to hide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type")]
pub struct ElementHidingRuleBody {
    /// The selectors.
    #[serde(rename = "selectorList")]
    pub selector_list: Value,
}

/// Which elements to give another style, or to remove.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub struct CssInjectionRuleBody {
    /// When to do so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_query_list: Option<Value>,
    /// The selectors.
    pub selector_list: Value,
    /// The style.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub declaration_list: Option<Value>,
    /// Whether the elements are removed.
    pub remove: bool,
}

/// Scriptlets with their parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type")]
pub struct ScriptletInjectionRuleBody {
    /// One for each call; the first parameter is the scriptlet's name.
    pub children: Vec<ParameterList>,
}

//! What holds for any input: agreement with plain models, passes that change nothing a second time, and
//! no panic anywhere.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::{HashMap, HashSet};

use compiler::{
    Compilation, Configuration, ConfigurationDraft, LevelDraft, Pass, SourceDraft, Transformation,
};
use proptest::prelude::*;
use support::compile;

/// Lines that are likely to mean something, mixed with any text at all.
fn line() -> impl Strategy<Value = String> {
    let label = prop::sample::select(vec![
        "a",
        "b",
        "org",
        "com",
        "co",
        "uk",
        "x-1",
        "*",
        "пример",
        "",
        "constructor",
        "1",
    ]);
    let name = prop::collection::vec(label, 1..4).prop_map(|labels| labels.join("."));
    let shape = prop::sample::select(vec![
        "||{}^",
        "||{}",
        "0.0.0.0 {}",
        "{}",
        "@@||{}^",
        "! {}",
        "# {}",
        " ||{}^ ",
        "||{}^$important",
        "||{}^$popup,a=b=c",
        "/{}/",
        "##{}",
        "127.0.0.1 {} {} # {}",
        "{}^",
        "||{}^$",
        "bad {}",
        "||{}^|",
        "{}$\\,,",
        "1.2.3.{}",
        "||1.2.{}.*",
    ]);
    prop_oneof![
        8 => (shape, name).prop_map(|(shape, name)| shape.replace("{}", &name)),
        1 => Just(String::new()),
        1 => Just("  ".to_owned()),
        1 => any::<String>().prop_map(|text| text.replace(['\r', '\n'], "")),
    ]
}

fn lines() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(line(), 0..24)
}

fn pattern() -> impl Strategy<Value = String> {
    prop_oneof!["[a-c.*^|]{0,6}", "/[ab(|)*+?\\[\\]{},1\\\\$^.=!<:k]{1,10}/", any::<String>(),]
}

fn transformation() -> impl Strategy<Value = Transformation> {
    prop::sample::select(Transformation::ORDER.to_vec())
}

fn run(transformations: &[Transformation], lines: &[String]) -> Vec<String> {
    let transformations =
        transformations.iter().map(|transformation| transformation.name().to_owned()).collect();
    let level = LevelDraft { transformations, ..LevelDraft::default() };
    let source = SourceDraft { source: "s".to_owned(), level, ..SourceDraft::default() };
    let draft =
        ConfigurationDraft { name: "T".to_owned(), sources: vec![source], ..ConfigurationDraft::default() };
    let configuration = Configuration::validate(draft).expect("one transformation, or several that combine");
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    configuration.sources()[0].transform(&lines).expect("no patterns")
}

fn is_comment(line: &str) -> bool {
    line.starts_with('!') || line.starts_with("# ") || line.starts_with("####") || line == "#"
}

/// Walks forward and counts what is still to come.
fn deduplicate_model(lines: &[String]) -> Vec<String> {
    let mut to_come: HashMap<&str, usize> = HashMap::new();
    for line in lines {
        *to_come.entry(line).or_default() += 1;
    }
    let mut kept = Vec::new();
    let mut heading = Vec::new();
    for line in lines {
        if line.is_empty() || is_comment(line) {
            heading.push(line.clone());
            continue;
        }
        let left = to_come.get_mut(line.as_str()).expect("counted");
        *left -= 1;
        if *left == 0 && line != "constructor" {
            kept.append(&mut heading);
            kept.push(line.clone());
        }
        heading.clear();
    }
    kept.extend(heading);
    kept
}

/// Hosts lines and bare rules only, compared name by name.
fn compress_model(names: &[String]) -> Vec<String> {
    let all: HashSet<&str> = names.iter().map(String::as_str).chain(["constructor"]).collect();
    let mut seen = HashSet::from(["constructor"]);
    let first = names.iter().filter(|name| seen.insert(name));
    let is_covered = |name: &str| name.match_indices('.').any(|(dot, _)| all.contains(&name[dot + 1..]));
    first.filter(|name| !is_covered(name)).map(|name| format!("||{name}^")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn cleaning_a_second_time_changes_nothing(lines in lines(), transformation in transformation()) {
        use Transformation::*;
        // Taking apart what was put together may take more off: `a$b$c` loses one part with every round.
        prop_assume!(transformation != RemoveModifiers);
        let once = run(&[transformation], &lines);
        let twice = run(&[transformation], &once);
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn dropping_passes_drop_and_change_nothing(lines in lines()) {
        use Transformation::*;
        for transformation in [RemoveComments, Validate, ValidateAllowPublicSuffix, Deduplicate, RemoveEmptyLines] {
            let left = run(&[transformation], &lines);
            let mut all = lines.iter();
            prop_assert!(left.iter().all(|line| all.any(|other| other == line)), "{transformation}: {left:?}");
        }
    }

    #[test]
    fn every_dropped_line_has_a_reason(
        lines in lines(),
        transformation in transformation(),
        exclusions in prop::collection::vec("[a-c.*|]{1,3}", 0..3),
        inclusions in prop::collection::vec("[a-z.*|]{1,3}", 0..3),
    ) {
        let transformations = vec![transformation.name().to_owned()];
        let level = LevelDraft { transformations, exclusions, inclusions, ..LevelDraft::default() };
        let source = SourceDraft { source: "s".to_owned(), level, ..SourceDraft::default() };
        let draft = ConfigurationDraft { name: "T".to_owned(), sources: vec![source], ..ConfigurationDraft::default() };
        let compile = |is_recording| {
            let configuration = Configuration::validate(draft.clone()).expect("valid");
            let compilation = Compilation::new(configuration);
            let mut compilation = if is_recording { compilation.recording() } else { compilation };
            for wanted in compilation.wanted() {
                let text = lines.iter().filter(|line| !line.starts_with("!#")).cloned().collect::<Vec<_>>().join("\n");
                compilation.supply(wanted.id, text).expect("no directives");
            }
            compilation.finish(&support::stamp()).expect("good patterns")
        };
        let (plain, recorded) = (compile(false), compile(true));
        prop_assert_eq!(plain.body().collect::<Vec<_>>(), recorded.body().collect::<Vec<_>>());
        prop_assert!(plain.report().details.is_none());

        let details = recorded.report().details.as_ref().expect("recorded");
        let level = &recorded.report().sources[0].level;
        let told = |pass: Pass| details.dropped.iter().filter(|dropped| dropped.pass == pass).count();
        prop_assert_eq!(told(Pass::Exclusions), level.n_excluded);
        prop_assert_eq!(told(Pass::Inclusions), level.n_not_included);
        let (pass, of_pass) = (level.passes[0], told(Pass::Transformation(transformation)));
        match transformation {
            // One line may become several there.
            Transformation::Compress => prop_assert!(of_pass >= pass.n_dropped()),
            _ => prop_assert_eq!(of_pass, pass.n_dropped(), "{:?}", details),
        }
        prop_assert_eq!(details.n_dropped.values().sum::<usize>(), details.dropped.len());
    }

    #[test]
    fn deduplicate_agrees_with_its_model(lines in lines()) {
        prop_assert_eq!(run(&[Transformation::Deduplicate], &lines), deduplicate_model(&lines));
    }

    #[test]
    fn compress_agrees_with_its_model(names in prop::collection::vec("([abc]|constructor)(\\.[abc]){0,4}", 0..24), as_rules in any::<bool>()) {
        let shape = |name: &String| if as_rules { format!("||{name}^") } else { format!("::1 {name}") };
        let lines: Vec<String> = names.iter().map(shape).collect();
        prop_assert_eq!(run(&[Transformation::Compress], &lines), compress_model(&names));
    }

    #[test]
    fn the_order_in_a_configuration_means_nothing(lines in lines(), mut some in prop::collection::vec(transformation(), 0..6)) {
        let mut has_validator = false;
        some.retain(|transformation| !transformation.is_validator() || !std::mem::replace(&mut has_validator, true));
        let forward = run(&some, &lines);
        some.reverse();
        prop_assert_eq!(forward, run(&some, &lines));
    }

    #[test]
    fn no_text_and_no_pattern_makes_a_panic(
        text in prop::collection::vec(prop_oneof![
            line(),
            "!#(if|else|endif|include)[ a(|&!)true]{0,12}".prop_map(|line| line),
        ], 0..16),
        included in any::<String>(),
        exclusions in prop::collection::vec(pattern(), 0..3),
        inclusions in prop::collection::vec(pattern(), 0..3),
        some in prop::collection::vec(transformation(), 0..3),
    ) {
        let mut has_validator = false;
        let transformations = some.iter()
            .filter(|one| !one.is_validator() || !std::mem::replace(&mut has_validator, true))
            .map(|one| one.name().to_owned())
            .collect();
        let level = LevelDraft { transformations, exclusions, inclusions, ..LevelDraft::default() };
        let source = SourceDraft { source: "s".to_owned(), level: LevelDraft::default(), ..SourceDraft::default() };
        let draft = ConfigurationDraft { name: "T".to_owned(), sources: vec![source], level, ..ConfigurationDraft::default() };
        let read = |location: &str| if location == "s" { text.join("\n") } else { included.clone() };
        if let Ok(compiled) = compile(Configuration::validate(draft).expect("valid"), read) {
            prop_assert_eq!(compiled.report().list.n_lines_out, compiled.body().len());
            prop_assert!(compiled.body().all(|line| !line.contains(['\r', '\n'])));
        }
    }
}

//! Names of modifiers, redirect resources and scriptlets in the two ad blockers.
//!
//! Facts, as the tables of `@adguard/agtree` 4.2.0 have them (read through its public functions in November 2026).

/// A modifier by another name, and whether that turns its meaning round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OtherName {
    pub(super) name: &'static str,
    pub(super) is_negated: bool,
}

/// AdGuard's own name for a modifier, unless the name already is.
pub(super) fn adguard_modifier(name: &str) -> Option<OtherName> {
    let (name, is_negated) = match name {
        "1p" | "first-party" => ("third-party", true),
        "3p" => ("third-party", false),
        "queryprune" => ("removeparam", false),
        "xhr" => ("xmlhttprequest", false),
        _ => (common_modifier(name)?, false),
    };
    Some(OtherName { name, is_negated })
}

/// uBlock Origin's own name for a modifier, unless the name already is.
pub(super) fn ublock_modifier(name: &str) -> Option<&'static str> {
    Some(match name {
        "1p" => "first-party",
        "from" => "domain",
        "third-party" => "3p",
        "xmlhttprequest" => "xhr",
        // The modifier that does nothing may be as long as one likes.
        _ if name.len() > 1 && name.bytes().all(|b| b == b'_') => "_",
        _ => common_modifier(name)?,
    })
}

/// Short names that both know and neither prefers.
fn common_modifier(name: &str) -> Option<&'static str> {
    Some(match name {
        "css" => "stylesheet",
        "doc" => "document",
        "ehide" => "elemhide",
        "frame" => "subdocument",
        "ghide" => "generichide",
        "shide" => "specifichide",
        _ => return None,
    })
}

/// A resource to serve in place of what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Redirect {
    /// Its name in AdGuard, if it is there.
    pub(super) adguard: Option<&'static str>,
    /// Its name in uBlock Origin, if it is there.
    pub(super) ublock: Option<&'static str>,
    /// The types of request that uBlock Origin wants to see named with it, by the modifiers' names in AdGuard.
    pub(super) types: &'static [&'static str],
}

/// The resource by any of its names.
pub(super) fn redirect(name: &str) -> Option<Redirect> {
    let is_it = |&&(adguard, ublock, _, others): &&RedirectRow| {
        !name.is_empty()
            && (name == adguard || name == ublock || others.split(' ').any(|other| other == name))
    };
    let &(adguard, ublock, types, _) = REDIRECTS.iter().find(is_it)?;
    let known = |name: &'static str| Some(name).filter(|name| !name.is_empty());
    Some(Redirect { adguard: known(adguard), ublock: known(ublock), types })
}

/// uBlock Origin's name for a scriptlet that has no prefix, if it is there.
pub(super) fn ublock_scriptlet(name: &str) -> Option<&'static str> {
    SCRIPTLETS
        .iter()
        .find(|(ublock, others)| {
            name.strip_suffix(".js") == Some(*ublock) || others.split(' ').any(|other| other == name)
        })
        .map(|(ublock, _)| *ublock)
}

type RedirectRow = (&'static str, &'static str, &'static [&'static str], &'static str);

const ANY: &[&str] = &["image", "media", "subdocument", "stylesheet", "script", "xmlhttprequest", "other"];
const FRAME: &[&str] = &["subdocument"];
const IMAGE: &[&str] = &["image"];
const MEDIA: &[&str] = &["media"];
const OTHER: &[&str] = &["other"];
const SCRIPT: &[&str] = &["script"];
const STYLE: &[&str] = &["stylesheet"];

/// AdGuard's name, uBlock Origin's, the types of request, further names. An empty name means that there is none.
#[rustfmt::skip]
const REDIRECTS: &[RedirectRow] = &[
    ("1x1-transparent.gif", "1x1.gif", IMAGE, "1x1-transparent-gif"),
    ("2x2-transparent.png", "2x2.png", IMAGE, "2x2-transparent-png"),
    ("32x32-transparent.png", "32x32.png", IMAGE, "32x32-transparent-png"),
    ("3x2-transparent.png", "3x2.png", IMAGE, "3x2-transparent-png"),
    ("amazon-apstag", "amazon_apstag.js", SCRIPT, "ubo-amazon_apstag.js"),
    ("", "amazon_ads.js", SCRIPT, ""),
    ("", "ampproject_v0.js", SCRIPT, ""),
    ("ati-smarttag", "", &[], ""),
    ("", "chartbeat.js", SCRIPT, ""),
    ("click2load.html", "click2load.html", &[], "ubo-click2load.html"),
    ("didomi-loader", "", &[], ""),
    ("empty", "empty", &[], ""),
    ("fingerprintjs2", "fingerprint2.js", SCRIPT, ""),
    ("fingerprintjs3", "fingerprint3.js", SCRIPT, ""),
    ("gemius", "", &[], ""),
    ("google-analytics-ga", "google-analytics_ga.js", SCRIPT, "ubo-google-analytics_ga.js"),
    ("google-analytics", "google-analytics_analytics.js", SCRIPT, "ubo-google-analytics_analytics.js googletagmanager-gtm ubo-googletagmanager_gtm.js googletagmanager_gtm.js"),
    ("", "google-analytics_cx_api.js", SCRIPT, ""),
    ("", "google-analytics_inpage_linkid.js", SCRIPT, ""),
    ("google-ima3", "google-ima.js", SCRIPT, "ubo-google-ima.js"),
    ("googlesyndication-adsbygoogle", "googlesyndication_adsbygoogle.js", SCRIPT, "ubo-googlesyndication_adsbygoogle.js ubo-googlesyndication.com/adsbygoogle.js googlesyndication.com/adsbygoogle.js"),
    ("googletagservices-gpt", "googletagservices_gpt.js", SCRIPT, "ubo-googletagservices_gpt.js"),
    ("", "hd-main.js", SCRIPT, ""),
    ("matomo", "", &[], ""),
    ("metrika-yandex-tag", "", &[], ""),
    ("metrika-yandex-watch", "", &[], ""),
    ("naver-wcslog", "", &[], ""),
    ("no-protected-audience", "", &[], ""),
    ("no-topics", "", &[], ""),
    ("noeval", "noeval.js", SCRIPT, "silent-noeval.js ubo-noeval.js ubo-silent-noeval.js ubo-noeval ubo-silent-noeval"),
    ("", "noop-0.5s.mp3", MEDIA, ""),
    ("noopcss", "noop.css", STYLE, "blank-css"),
    ("noopframe", "noop.html", FRAME, "blank-html"),
    ("noopjs", "noop.js", SCRIPT, "blank-js"),
    ("noopjson", "noop.json", &[], ""),
    ("noopmp3-0.1s", "noop-0.1s.mp3", MEDIA, "blank-mp3"),
    ("noopmp4-1s", "noop-1s.mp4", MEDIA, "blank-mp4"),
    ("nooptext", "noop.txt", ANY, "blank-text"),
    ("noopvast-2.0", "", &[], ""),
    ("noopvast-3.0", "", &[], ""),
    ("noopvast-4.0", "", &[], ""),
    ("noopvmap-1.0", "noop-vmap1.0.xml", MEDIA, ""),
    ("nowebrtc", "nowebrtc.js", OTHER, "ubo-nowebrtc.js ubo-nowebrtc"),
    ("", "outbrain-widget.js", SCRIPT, ""),
    ("pardot-1.0", "", &[], ""),
    ("prebid-ads", "prebid-ads.js", SCRIPT, ""),
    ("prebid", "", &[], ""),
    ("prevent-bab", "nobab.js", SCRIPT, ""),
    ("prevent-bab2", "nobab2.js", SCRIPT, ""),
    ("prevent-fab-3.2.0", "nofab.js", SCRIPT, "fuckadblock.js-3.2.0 fuckadblock.js-3.2.0.js"),
    ("prevent-popads-net", "popads.js", SCRIPT, ""),
    ("scorecardresearch-beacon", "scorecardresearch_beacon.js", SCRIPT, ""),
    ("set-popads-dummy", "popads-dummy.js", SCRIPT, ""),
];

/// uBlock Origin's name, and others; the first with `.js` behind it is another one throughout.
#[rustfmt::skip]
const SCRIPTLETS: &[(&str, &str)] = &[
    ("abort-current-script", "abort-current-inline-script acs.js abort-current-inline-script.js acis.js abp-abort-current-inline-script"),
    ("abort-on-property-read", "abort-on-property-read aopr.js abp-abort-on-property-read"),
    ("abort-on-property-write", "abort-on-property-write aopw.js abp-abort-on-property-write"),
    ("abort-on-stack-trace", "abort-on-stack-trace aost.js abp-abort-on-stack-trace"),
    ("addEventListener-defuser", "prevent-addEventListener aeld.js abp-prevent-listener prevent-addEventListener.js prevent-listener"),
    ("adjust-setInterval", "adjust-setInterval nano-setInterval-booster.js nano-sib.js"),
    ("adjust-setTimeout", "adjust-setTimeout nano-setTimeout-booster.js nano-stb.js"),
    ("call-nothrow", "call-nothrow"),
    ("close-window", "close-window window-close-if.js"),
    ("disable-newtab-links", "disable-newtab-links"),
    ("evaldata-prune", "evaldata-prune"),
    ("google-ima", "google-ima3"),
    ("href-sanitizer", "href-sanitizer"),
    ("json-prune", "json-prune abp-json-prune"),
    ("json-prune-fetch-response", "json-prune-fetch-response"),
    ("json-prune-xhr-response", "json-prune-xhr-response"),
    ("m3u-prune", "m3u-prune"),
    ("no-requestAnimationFrame-if", "prevent-requestAnimationFrame norafif.js prevent-requestAnimationFrame.js"),
    ("no-setInterval-if", "prevent-setInterval setInterval-defuser.js nosiif.js sid.js prevent-setInterval.js"),
    ("no-setTimeout-if", "prevent-setTimeout nostif.js setTimeout-defuser.js std.js prevent-setTimeout.js"),
    ("no-window-open-if", "prevent-window-open window.open-defuser.js nowoif.js prevent-window-open.js"),
    ("no-xhr-if", "prevent-xhr prevent-xhr.js"),
    ("nobab", "prevent-bab bab-defuser.js nobab"),
    ("noeval-if", "prevent-eval-if prevent-eval-if.js"),
    ("nofab", "prevent-fab-3.2.0 fuckadblock.js-3.2.0"),
    ("nowebrtc", "nowebrtc"),
    ("prevent-canvas", "prevent-canvas"),
    ("prevent-fetch", "prevent-fetch no-fetch-if.js"),
    ("prevent-innerHTML", "prevent-innerHTML no-innerHTML-if.js"),
    ("prevent-refresh", "prevent-refresh refresh-defuser.js refresh-defuser"),
    ("remove-attr", "remove-attr ra.js ra"),
    ("remove-class", "remove-class rc.js rc"),
    ("remove-cookie", "remove-cookie cookie-remover.js abp-cookie-remover cookie-remover"),
    ("remove-node-text", "remove-node-text rmnt.js"),
    ("set-attr", "set-attr"),
    ("set-constant", "set-constant set.js override-property-read"),
    ("set-cookie", "set-cookie"),
    ("set-cookie-reload", "set-cookie-reload"),
    ("set-local-storage-item", "set-local-storage-item"),
    ("set-session-storage-item", "set-session-storage-item"),
    ("spoof-css", "spoof-css"),
    ("xml-prune", "xml-prune"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_by_any_name() {
        assert_eq!(
            redirect("blank-js").map(|r| (r.adguard, r.ublock)),
            Some((Some("noopjs"), Some("noop.js")))
        );
        assert_eq!(redirect("amazon_ads.js").map(|r| r.adguard), Some(None));
        assert_eq!(redirect(""), None);
        assert_eq!(redirect("noop"), None);
        assert_eq!(ublock_scriptlet("aopr.js"), Some("abort-on-property-read"));
        assert_eq!(ublock_scriptlet("aopr"), None);
        assert_eq!(ublock_scriptlet("no-xhr-if.js"), Some("no-xhr-if"));
        assert_eq!(ublock_scriptlet("no-xhr-if"), None);
        assert_eq!(ublock_modifier("___"), Some("_"));
        assert_eq!(ublock_modifier("_"), None);
    }
}

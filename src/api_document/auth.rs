//! Better Auth's part of the house, which has a table of its own. Its official client knows the shapes.

use super::operations::Operation;
use super::schema::{any, flag, free, list, object, or_null, shape, text};

pub fn all() -> Vec<Operation> {
    let found = || object([("session", shape("Session")), ("user", shape("SessionUser"))]);
    let signed = || {
        object([
            ("token", or_null(text())),
            ("user", shape("SessionUser")),
            ("redirect?", flag()),
            ("url?", or_null(text())),
        ])
    };
    let mut all = vec![
        post("/sign-up/email", "auth_sign_up", "Signs up")
            .takes(object([
                ("email", text()),
                ("password", text()),
                ("name", text()),
                ("rememberMe?", flag()),
                ("callbackURL?", text()),
            ]))
            .gives(signed()),
        post("/sign-in/email", "auth_sign_in", "Signs in")
            .takes(object([
                ("email", text()),
                ("password", text()),
                ("rememberMe?", flag()),
                ("callbackURL?", text()),
            ]))
            .gives(signed()),
        post("/sign-out", "auth_sign_out", "Ends the session")
            .may_take(free())
            .gives(object([("success", flag())])),
        get("/get-session", "auth_get_session", "The session, or null").gives(or_null(found())),
        get("/list-sessions", "auth_list_sessions", "The user's sessions").gives(list(shape("Session"))),
    ];
    let plain = [
        ("get", "/ok", "auth_ok", "Whether this part answers"),
        ("post", "/revoke-session", "auth_revoke_session", "Ends one session"),
        ("post", "/revoke-sessions", "auth_revoke_sessions", "Ends all sessions"),
        ("post", "/revoke-other-sessions", "auth_revoke_other_sessions", "Ends all sessions but this"),
        ("post", "/update-session", "auth_update_session", "Changes the session"),
        ("post", "/sign-in/social", "auth_sign_in_social", "Signs in elsewhere; not offered"),
        ("post", "/update-user", "auth_update_user", "Changes the user"),
        ("post", "/change-password", "auth_change_password", "Changes the password"),
        ("post", "/verify-password", "auth_verify_password", "Compares the password"),
        ("get", "/list-accounts", "auth_list_accounts", "Ways in which the user signs in"),
        ("post", "/delete-user", "auth_delete_user", "Deletes the user"),
        ("post", "/change-email", "auth_change_email", "Changes the address"),
        (
            "post",
            "/send-verification-email",
            "auth_send_verification",
            "Mails a link that verifies the address",
        ),
        ("post", "/request-password-reset", "auth_request_reset", "Mails a link that resets the password"),
        ("post", "/reset-password", "auth_reset_password", "Sets a new password"),
        ("get", "/admin/list-users", "auth_admin_list_users", "Users"),
        ("get", "/admin/get-user", "auth_admin_get_user", "One user"),
        ("post", "/admin/create-user", "auth_admin_create_user", "Makes a user"),
        ("post", "/admin/update-user", "auth_admin_update_user", "Changes a user"),
        ("post", "/admin/set-role", "auth_admin_set_role", "Gives a role"),
        ("post", "/admin/ban-user", "auth_admin_ban_user", "Bans a user"),
        ("post", "/admin/unban-user", "auth_admin_unban_user", "Lets a user in again"),
        ("post", "/admin/remove-user", "auth_admin_remove_user", "Deletes a user"),
        ("post", "/admin/set-user-password", "auth_admin_set_user_password", "Sets a user's password"),
        ("post", "/admin/list-user-sessions", "auth_admin_list_user_sessions", "A user's sessions"),
        ("post", "/admin/revoke-user-session", "auth_admin_revoke_user_session", "Ends a session of a user"),
        (
            "post",
            "/admin/revoke-user-sessions",
            "auth_admin_revoke_user_sessions",
            "Ends all sessions of a user",
        ),
        ("post", "/admin/impersonate-user", "auth_admin_impersonate_user", "Acts as a user for an hour"),
        ("post", "/admin/stop-impersonating", "auth_admin_stop_impersonating", "Acts as oneself again"),
        ("post", "/admin/has-permission", "auth_admin_has_permission", "Whether a role may do something"),
    ];
    all.extend(plain.map(|(method, path, id, summary)| {
        let operation = Operation::new(method, path, id, summary).gives(any());
        // Better Auth says to strangers nothing at all here.
        let operation = if path.starts_with("/admin/") { operation.empty(401) } else { operation };
        if method == "post" { operation.may_take(free()) } else { operation }
    }));
    all.push(
        get("/error", "auth_error", "Where links lead that lead nowhere else")
            .answers(200, "text/html", text())
            .empty(302),
    );
    let links = [
        ("/delete-user/callback", "auth_follow_deletion", "Follows a mailed link that deletes the user"),
        ("/verify-email", "auth_follow_verification", "Follows a mailed link that verifies an address"),
        ("/reset-password/{token}", "auth_follow_reset", "Follows a mailed link that resets a password"),
    ];
    all.extend(links.map(|(path, id, summary)| {
        get(path, id, summary).query([("callbackURL", text()), ("token", text())]).gives(any()).empty(302)
    }));
    all
}

fn get(path: &str, id: &'static str, summary: &'static str) -> Operation {
    Operation::new("get", path, id, summary)
}

fn post(path: &str, id: &'static str, summary: &'static str) -> Operation {
    Operation::new("post", path, id, summary)
}

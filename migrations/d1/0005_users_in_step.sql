-- The id by which the rest of the service knew a user whom Clerk, or an admin, deleted: whoever hears of the deletion
-- again finds by it what is left to do.
ALTER TABLE deleted_clerk_user ADD COLUMN user_id TEXT;   -- users.id; none if there was no such user

-- Made anew, because an upsert of users overrules the OR REPLACE inside: a second change of a user failed for as
-- long as the note of the first was there. https://www.sqlite.org/lang_createtrigger.html
DROP TRIGGER users_changed;
DROP TRIGGER users_deleted;

CREATE TRIGGER users_changed AFTER UPDATE ON users
WHEN OLD.version = NEW.version
BEGIN
  UPDATE users SET version = version + 1,
    rights_changed_at = iif(OLD.tier IS NOT NEW.tier OR OLD.role IS NOT NEW.role, NEW.updated_at, rights_changed_at)
    WHERE id = NEW.id;
  DELETE FROM user_change WHERE user_id = NEW.id;
  INSERT INTO user_change (user_id, id, version, deleted, changed_at)
    VALUES (NEW.id, lower(hex(randomblob(16))), NEW.version + 1, 0, NEW.updated_at);
END;

CREATE TRIGGER users_deleted AFTER DELETE ON users
BEGIN
  DELETE FROM account WHERE user_id = OLD.id;
  DELETE FROM verification WHERE value = OLD.id;
  DELETE FROM user_change WHERE user_id = OLD.id;
  INSERT INTO user_change (user_id, id, version, deleted, changed_at)
    VALUES (OLD.id, lower(hex(randomblob(16))), OLD.version + 1, 1, unixepoch() * 1000);
END;

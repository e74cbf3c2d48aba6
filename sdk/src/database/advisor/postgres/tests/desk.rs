//! The schema of a support desk with its documents, chats and embed codes.

use super::bed::Expect::{Cheaper, Either, Same};
use super::bed::Given::{Float, Int, Text};
use super::bed::{Bed, case, check};

const SCRIPT: &str = r#"
CREATE EXTENSION hypopg;
CREATE TABLE workspaces (id bigint PRIMARY KEY, name text NOT NULL);
INSERT INTO workspaces SELECT i, 'ws ' || i FROM generate_series(1::bigint, 1000) i;
CREATE TABLE users (id bigint PRIMARY KEY, workspace_id bigint NOT NULL REFERENCES workspaces ON DELETE CASCADE,
    email text NOT NULL, name text NOT NULL, active boolean NOT NULL, deleted_at timestamptz, last_seen_at timestamptz);
INSERT INTO users SELECT i, 1 + i * 7919 % 1000, 'User' || i || '@example.com', md5(i::text), i % 10 <> 0,
    CASE WHEN i % 20 = 0 THEN now() END, CASE WHEN i % 3 <> 0 THEN now() - i * interval '1 min' END
    FROM generate_series(1::bigint, 20000) i;
CREATE TABLE documents (id bigint PRIMARY KEY, workspace_id bigint NOT NULL REFERENCES workspaces ON DELETE CASCADE,
    uploader_id bigint REFERENCES users ON DELETE SET NULL, title text NOT NULL, status text NOT NULL,
    size_bytes bigint NOT NULL, meta jsonb NOT NULL, uploaded_at timestamptz NOT NULL, parent_id bigint REFERENCES documents);
INSERT INTO documents SELECT i, 1 + i * i % 997 * (i % 7) % 1000, 1 + i * 31 % 20000, 'Doc ' || md5(i::text),
    CASE WHEN i % 250 = 0 THEN 'processing' WHEN i % 100 = 0 THEN 'failed' ELSE 'ready' END, i * 7919 % 1000000,
    jsonb_build_object('source', 'api', 'ref', i % 2000), now() - i * 7919 % 50000 * interval '1 min',
    CASE WHEN i % 40 = 0 THEN 1 + i % 1000 END FROM generate_series(1::bigint, 40000) i;
CREATE TABLE document_chunks (id bigint PRIMARY KEY, document_id bigint NOT NULL REFERENCES documents ON DELETE CASCADE,
    position int NOT NULL, content text NOT NULL, embedded boolean NOT NULL);
INSERT INTO document_chunks SELECT i, 1 + i * 104729 % 40000, i % 12, repeat(md5(i::text), 2), i % 1000 <> 0
    FROM generate_series(1::bigint, 60000) i;
CREATE TABLE chat_sessions (id bigint PRIMARY KEY, workspace_id bigint NOT NULL REFERENCES workspaces ON DELETE CASCADE,
    user_id bigint NOT NULL, started_at timestamptz NOT NULL, ended_at timestamptz, token text NOT NULL);
INSERT INTO chat_sessions SELECT i, 1 + i * 17 % 1000, 1 + i * 13 % 20000, now() - i * 10472 % 30000 * interval '1 min',
    CASE WHEN i % 100 <> 0 THEN now() END, md5('t' || i) FROM generate_series(1::bigint, 30000) i;
CREATE TABLE chat_messages (id bigint PRIMARY KEY, session_id bigint NOT NULL, role text NOT NULL, content text NOT NULL,
    tokens int NOT NULL, created_at timestamptz NOT NULL);
INSERT INTO chat_messages SELECT i, 1 + i * i % 2999, 'user', repeat('lorem ', 12), i % 4000,
    now() - (60000 - i) * interval '10 s' FROM generate_series(1::bigint, 60000) i;
CREATE TABLE embed_codes (id bigint PRIMARY KEY, workspace_id bigint NOT NULL, code text NOT NULL, enabled boolean NOT NULL);
INSERT INTO embed_codes SELECT i, 1 + i % 1000, md5('e' || i), i % 2 = 0 FROM generate_series(1::bigint, 10000) i;
CREATE TABLE audit_log (id bigserial PRIMARY KEY, actor_id bigint, action text NOT NULL);
INSERT INTO audit_log (actor_id, action) SELECT i % 20000, 'a' || i % 30 FROM generate_series(1, 40000) i;
CREATE TABLE memberships (workspace_id bigint, user_id bigint, role text NOT NULL, PRIMARY KEY (workspace_id, user_id));
INSERT INTO memberships SELECT 1 + i % 1000, i, 'm' FROM generate_series(1::bigint, 20000) i;
CREATE TABLE plans (id int PRIMARY KEY, code text);
INSERT INTO plans SELECT i, 'p' || i FROM generate_series(1, 40) i;
CREATE INDEX doc_size_a ON documents (size_bytes);
CREATE INDEX doc_size_b ON documents (size_bytes);
CREATE INDEX msg_tokens ON chat_messages (tokens);
CREATE INDEX session_token ON chat_sessions (token);
CREATE INDEX session_token_started ON chat_sessions (token, started_at);
CREATE INDEX uploader ON documents (uploader_id);
ANALYZE;"#;

#[tokio::test]
async fn a_support_desk_gets_the_indexes_that_it_needs_and_no_other() {
    let cases = vec![
        case(
            "user by email",
            3.0,
            "SELECT * FROM users WHERE lower(email) = lower($1)",
            &[&[Text("USER12@example.com")], &[Text("nobody")]],
            Cheaper(50.0),
        ),
        case(
            "users of one",
            1.2,
            "SELECT id, name FROM users WHERE workspace_id = $1 AND active ORDER BY name",
            &[&[Int(5)], &[Int(700)]],
            Cheaper(8.0),
        ),
        case(
            "documents",
            4.0,
            "SELECT id, title, uploaded_at FROM documents WHERE workspace_id = $1 AND status = $2 \
             ORDER BY uploaded_at DESC LIMIT 20",
            &[
                &[Int(1), Text("ready")],
                &[Int(12), Text("ready")],
                &[Int(50), Text("failed")],
            ],
            Cheaper(20.0),
        ),
        case(
            "all documents",
            2.0,
            "SELECT id, title FROM documents WHERE workspace_id = $1 ORDER BY uploaded_at DESC LIMIT 50",
            &[&[Int(1)], &[Int(12)]],
            Cheaper(20.0),
        ),
        case(
            "queue",
            0.6,
            "SELECT id FROM documents WHERE status = 'processing' ORDER BY uploaded_at LIMIT 10",
            &[],
            Cheaper(50.0),
        ),
        case(
            "chunks",
            3.5,
            "SELECT position, content FROM document_chunks WHERE document_id = $1 ORDER BY position",
            &[&[Int(1)], &[Int(30000)]],
            Cheaper(50.0),
        ),
        case(
            "to embed",
            0.3,
            "SELECT id FROM document_chunks WHERE embedded = false LIMIT 100",
            &[],
            Cheaper(10.0),
        ),
        case(
            "sessions",
            1.5,
            "SELECT s.id, u.name FROM chat_sessions s JOIN users u ON u.id = s.user_id WHERE s.workspace_id = $1 \
             AND s.started_at > to_timestamp($2) ORDER BY s.started_at DESC LIMIT 30",
            &[&[Int(3), Float(1e9)], &[Int(400), Float(1.5e9)]],
            Cheaper(5.0),
        ),
        case(
            "open sessions",
            0.9,
            "SELECT count(*) FROM chat_sessions WHERE ended_at IS NULL AND workspace_id = $1",
            &[&[Int(3)], &[Int(900)]],
            Cheaper(20.0),
        ),
        case(
            "by token",
            2.0,
            "SELECT id FROM chat_sessions WHERE token = $1",
            &[&[Text("abc")]],
            Same,
        ),
        case(
            "messages",
            5.0,
            "SELECT id, role, content FROM chat_messages WHERE session_id = $1 ORDER BY created_at DESC LIMIT 50",
            &[&[Int(1)], &[Int(5)], &[Int(500)]],
            Cheaper(20.0),
        ),
        case(
            "embed code",
            2.5,
            "SELECT * FROM embed_codes WHERE code = $1 AND enabled",
            &[&[Text("x")]],
            Cheaper(20.0),
        ),
        case(
            "half of the codes",
            0.2,
            "SELECT * FROM embed_codes WHERE enabled",
            &[],
            Same,
        ),
        case(
            "beginning",
            0.3,
            "SELECT id, email FROM users WHERE email LIKE 'User12%' LIMIT 200",
            &[],
            Cheaper(1.5),
        ),
        case(
            "in the document",
            0.25,
            "SELECT id FROM documents WHERE meta @> $1::text::jsonb",
            &[&[Text("{\"ref\": 77}")], &[Text("{\"ref\": 1999}")]],
            Cheaper(10.0),
        ),
        case(
            "audit",
            40.0,
            "INSERT INTO audit_log (actor_id, action) VALUES ($1, $2)",
            &[&[Int(2), Text("x")]],
            Same,
        ),
        case(
            "audit of the day",
            0.0002,
            "SELECT action FROM audit_log WHERE actor_id = $1",
            &[&[Int(77)]],
            Same,
        ),
        case(
            "plan",
            3.0,
            "SELECT * FROM plans WHERE code = $1",
            &[&[Text("p3")]],
            Same,
        ),
        case(
            "members",
            2.0,
            "SELECT user_id FROM memberships WHERE workspace_id = $1",
            &[&[Int(3)]],
            Same,
        ),
        case(
            "memberships",
            1.5,
            "SELECT workspace_id FROM memberships WHERE user_id = $1",
            &[&[Int(3)]],
            Cheaper(20.0),
        ),
        case(
            "delete",
            0.2,
            "DELETE FROM documents WHERE id = $1",
            &[&[Int(39999)]],
            Either,
        ),
        case(
            "size",
            0.2,
            "SELECT id FROM documents WHERE size_bytes > $1 ORDER BY size_bytes DESC LIMIT 10",
            &[&[Int(999_000)]],
            Same,
        ),
        case(
            "last seen",
            0.4,
            "SELECT id FROM users WHERE deleted_at IS NULL ORDER BY last_seen_at DESC NULLS LAST LIMIT 20",
            &[],
            Cheaper(50.0),
        ),
        case(
            "folded",
            0.4,
            "WITH recent AS (SELECT * FROM chat_messages WHERE session_id = $1) SELECT role, count(*) FROM recent GROUP BY role",
            &[&[Int(5)]],
            Cheaper(20.0),
        ),
    ];
    check(&Bed {
        script: SCRIPT,
        cases,
        needed: &[
            "lower(\"email\")",
            "text_pattern_ops",
            "USING gin (\"meta\" jsonb_path_ops)",
            "\"documents\" (\"parent_id\") WHERE \"parent_id\" IS NOT NULL",
            "WHERE NOT \"embedded\"",
            "\"chat_sessions\" (\"workspace_id\"",
            "\"last_seen_at\" DESC NULLS LAST",
            "(\"session_id\", \"created_at\" DESC)",
        ],
        harmful: &[
            "\"audit_log\"",
            "\"plans\"",
            "\"memberships\" (\"workspace_id\"",
            "(\"enabled\"",
            "\"workspaces\"",
        ],
        unused: &["msg_tokens", "uploader", "users_pkey"],
        drops: &["msg_tokens", "session_token", "doc_size_b"],
    })
    .await;
}

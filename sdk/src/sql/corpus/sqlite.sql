--@ tracks >
SELECT `tracks`.`id`, `tracks`.`title` FROM `tracks` WHERE `tracks`.`id` = ?1
--@ = tracks >
SELECT `tracks`.`id`, `tracks`.`title` FROM `tracks` WHERE `tracks`.`id` = 4711471147 -- SECRET
--@ ! tracks >
SELECT `tracks`.`id` FROM `tracks` WHERE `tracks`.`id` = ?1
--@ tracks >
SELECT title FROM tracks WHERE album = :album AND artist = @artist AND year = $year
--@ = tracks >
SELECT title FROM tracks WHERE album = 'SECRET' AND artist = ?2 AND year = 4711471147
--@ ! tracks >
SELECT title FROM tracks WHERE album = ? OR artist = ? AND year = ?
--@ - > tracks
INSERT OR REPLACE INTO tracks (id, title) VALUES (?, ?)
--@ = - > tracks
INSERT OR REPLACE INTO tracks (id, title) VALUES (4711471147, 'SECRET'), (2, x'4711471147')
--@ ! - > tracks
INSERT OR IGNORE INTO tracks (id, title) VALUES (?, ?)
--@ ! - > tracks
REPLACE INTO tracks (id, title) VALUES (?, ?)
--@ - > plays
INSERT INTO plays (track, n) VALUES (?1, 1) ON CONFLICT (track) DO UPDATE SET n = n + excluded.n RETURNING n
--@ - > plays
UPDATE plays SET n = n + 1 WHERE track = 'SECRET'
--@ = - > plays
update plays set n = n + ?1 where track = ?2
--@ ! - > plays
UPDATE plays SET n = n - 1 WHERE track = 'SECRET'
--@ - > plays
DELETE FROM plays WHERE rowid IN (SELECT rowid FROM plays ORDER BY at LIMIT 4711471147)
--@ - >
SELECT track, count(*) FROM plays INDEXED BY plays_at WHERE at > 'SECRET' GROUP BY track
--@ ! - >
SELECT track, count(*) FROM plays NOT INDEXED WHERE at > 'SECRET' GROUP BY track
--@ plays >
SELECT track FROM plays WHERE note GLOB 'SECRET*'
--@ ! plays >
SELECT track FROM plays WHERE note LIKE 'SECRET%'
--@ plays >
SELECT track FROM plays LIMIT 10, 4711471147
--@ plays >
SELECT track FROM plays WHERE at IS NULL
--@ ! plays >
SELECT track FROM plays WHERE at NOTNULL
--@ plays >
SELECT track FROM plays WHERE track = "SECRET"
--@ = plays >
SELECT track FROM plays WHERE track = 'SECRET'
--@ plays >
SELECT json_extract(data, '$.SECRET') FROM plays
--@ ! plays >
SELECT data ->> '$.SECRET' FROM plays
--@ plays queue >
WITH queue AS (SELECT track FROM plays WHERE n > 4711471147) SELECT track FROM queue
--@ n >
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4711471147) SELECT i FROM n
--@ plays >
SELECT track, rank() OVER (ORDER BY n DESC) FROM plays
--@ ! plays >
SELECT track, dense_rank() OVER (ORDER BY n DESC) FROM plays
--@ tracks plays >
SELECT t.title FROM tracks AS t LEFT JOIN plays AS p ON p.track = t.id WHERE p.id IS NULL
--@ ! tracks plays >
SELECT t.title FROM tracks AS t INNER JOIN plays AS p ON p.track = t.id WHERE p.id IS NULL
--@ plays >
SELECT track FROM plays WHERE id IN (1,2,3,4,5,6,7,8,9,10,4711471147)
--@ = plays >
SELECT track FROM plays WHERE id IN (?)
--@ - >
PRAGMA journal_mode = WAL
--@ - >
PRAGMA key = 'SECRET'
--@ - >
PRAGMA table_info(tracks)
--@ - > ?
VACUUM INTO 'SECRET.db'
--@ - > ?
ATTACH DATABASE 'SECRET.db' AS other
--@ - >
BEGIN IMMEDIATE
--@ - > ?
CREATE VIRTUAL TABLE notes_fts USING fts5(body, content='SECRET')
--@ - > ?
CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT DEFAULT 'SECRET') STRICT
--@ x - > ?
SELECT track FROM plays WHERE note = 'SECRET
--@ x - > ?
SELECT track FROM plays WHERE note = x'47
--@ - >
SELECT track FROM plays WHERE WHERE 4711471147
--@ albums >
SELECT "albums"."id" FROM "albums" WHERE "albums"."name" = ? LIMIT ?
--@ = albums >
SELECT "albums"."id" FROM "albums" WHERE "albums"."name" = 'SECRET' LIMIT 4711471147
--@ = albums >
select albums.id from albums where albums.name=:name limit :limit
--@ ! albums >
SELECT "albums"."id" FROM "albums" WHERE "albums"."name" != ? LIMIT ?
--@ albums >
SELECT id FROM albums WHERE name COLLATE NOCASE = 'SECRET'
--@ ! albums >
SELECT id FROM albums WHERE name COLLATE BINARY = 'SECRET'
--@ albums >
SELECT id FROM albums WHERE year BETWEEN 1970 AND 4711471147
--@ = albums >
SELECT id FROM albums WHERE year BETWEEN ?1 AND ?2
--@ albums >
SELECT id, CASE year WHEN 4711471147 THEN 'SECRET' END FROM albums
--@ albums >
SELECT max(year), ifnull(name, 'SECRET') FROM albums
--@ = albums >
SELECT max(year), ifnull(name, ?) FROM albums
--@ ! albums >
SELECT min(year), ifnull(name, ?) FROM albums
--@ albums >
SELECT id FROM albums WHERE cover = X'534543524554' AND name || '!' = 'SECRET'
--@ = albums >
SELECT id FROM albums WHERE cover = ?1 AND name || ?2 = ?3
--@ - > albums
INSERT INTO albums (name, year) VALUES ('SECRET', 4711471147)
--@ = - > albums
INSERT INTO albums (name, year) VALUES (?, ?), (?, ?), (?, ?)
--@ ! - > albums
INSERT INTO albums (name, year) VALUES (?, ?) RETURNING id
--@ - > albums
UPDATE OR IGNORE albums SET name = 'SECRET' WHERE id = 4711471147
--@ - > albums
DELETE FROM albums WHERE id = 4711471147
--@ = - > albums
delete from albums where id = ?
--@ ! - > albums
DELETE FROM albums WHERE id > ?
--@ albums artists >
SELECT a.name FROM albums a JOIN artists r ON r.id = a.artist WHERE r.name = 'SECRET' ORDER BY a.year DESC
--@ = albums artists >
SELECT a.name FROM albums a JOIN artists r ON r.id=a.artist WHERE r.name=$name ORDER BY a.year DESC
--@ ! albums artists >
SELECT a.name FROM albums a JOIN artists r ON r.id = a.artist WHERE r.name = 'SECRET' ORDER BY a.year
--@ notes json_each >
SELECT n.id FROM notes n, json_each(n.tags) WHERE json_each.value = 'SECRET'
--@ notes_fts >
SELECT rowid FROM notes_fts WHERE notes_fts MATCH 'SECRET'
--@ = notes_fts >
SELECT rowid FROM notes_fts WHERE notes_fts MATCH ?1
--@ - >
SELECT group_concat(title, 'SECRET') FROM notes WHERE folder IS ?1
--@ = - >
SELECT group_concat(title, ', ') FROM notes WHERE folder IS 'SECRET'
--@ ! - >
SELECT group_concat(title, ', ') FROM notes WHERE folder IS NOT 'SECRET'
--@ notes >
SELECT [id], [title] FROM [notes] WHERE [folder] = 'SECRET'
--@ notes >
SELECT substr(title, 1, 4711471147), length(body) FROM notes ORDER BY title COLLATE NOCASE LIMIT 5 OFFSET 10
--@ = notes >
SELECT substr(title, ?1, ?2), length(body) FROM notes ORDER BY title COLLATE NOCASE LIMIT ?3 OFFSET ?4
--@ - > notes
INSERT INTO main.notes (title) SELECT title FROM drafts WHERE id = 4711471147
--@ = - > notes
INSERT INTO main.notes (title) SELECT title FROM drafts WHERE id = :id
--@ - > notes
UPDATE notes SET (title, body) = ('SECRET', 'SECRET') WHERE id = ?
--@ - >
SELECT random() FROM notes
--@ - >
SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'SECRET'
--@ - >
EXPLAIN QUERY PLAN SELECT id FROM notes WHERE title = 'SECRET'
--@ - > ?
DROP INDEX IF EXISTS notes_title
--@ - > ?
DETACH DATABASE other

--@ users >
SELECT "users"."id", "users"."email", "users"."name" FROM "users" WHERE "users"."email" = $1
--@ = users >
select "users"."id","users"."email",  "users"."name" from users where users.email='SECRET@example.org';
--@ ! users >
SELECT "users"."id", "users"."email", "users"."name" FROM "users" WHERE "users"."email" <> $1
--@ ! users >
SELECT "users"."id", "users"."email" FROM "users" WHERE "users"."email" = $1
--@ users >
SELECT "users".* FROM "users" WHERE "users"."id" = $1 LIMIT $2
--@ = users >
SELECT "users".* FROM "users" WHERE "users"."id" = 4711471147 LIMIT 1 /*application:Shop,controller:users,action:show,SECRET*/
--@ ! users >
SELECT "users".* FROM "users" WHERE "users"."id" = $1 LIMIT $2 OFFSET $3
--@ orders >
SELECT COUNT(*) FROM "orders" WHERE "orders"."status" IN ($1, $2, $3)
--@ = orders >
SELECT COUNT(*) FROM "orders" WHERE "orders"."status" IN ('SECRET')
--@ = orders >
select count(*) from orders where orders.status in ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20)
--@ ! orders >
SELECT COUNT(*) FROM "orders" WHERE "orders"."status" NOT IN ($1, $2, $3)
--@ ! orders old >
SELECT COUNT(*) FROM "orders" WHERE "orders"."status" IN (SELECT status FROM old)
--@ auth_user >
SELECT "auth_user"."id", "auth_user"."username" FROM "auth_user" WHERE UPPER("auth_user"."username"::text) LIKE UPPER('%SECRET%') ORDER BY "auth_user"."id" ASC LIMIT 21
--@ = auth_user >
SELECT "auth_user"."id", "auth_user"."username" FROM "auth_user" WHERE UPPER("auth_user"."username"::text) LIKE UPPER($1) ORDER BY "auth_user"."id" ASC LIMIT 5
--@ ! auth_user >
SELECT "auth_user"."id", "auth_user"."username" FROM "auth_user" WHERE UPPER("auth_user"."username"::text) LIKE UPPER($1) ORDER BY "auth_user"."id" DESC LIMIT 5
--@ blog_entry blog_author >
SELECT T3."name", COUNT("blog_entry"."id") AS "n" FROM "blog_entry" INNER JOIN "blog_author" T3 ON ("blog_entry"."author_id" = T3."id") GROUP BY T3."name" HAVING COUNT("blog_entry"."id") > 4711471147
--@ = blog_entry blog_author >
SELECT t3."name", COUNT("blog_entry"."id") AS "n" FROM "blog_entry" INNER JOIN "blog_author" t3 ON ("blog_entry"."author_id" = t3."id") GROUP BY t3."name" HAVING COUNT("blog_entry"."id") > 3
--@ ! blog_entry blog_author >
SELECT T3."name", COUNT("blog_entry"."id") AS "n" FROM "blog_entry" LEFT JOIN "blog_author" T3 ON ("blog_entry"."author_id" = T3."id") GROUP BY T3."name" HAVING COUNT("blog_entry"."id") > 1
--@ customer address >
select c1_0.id,c1_0.name,a1_0.city from customer c1_0 left join address a1_0 on a1_0.id=c1_0.address_id where c1_0.id=$1
--@ = customer address >
SELECT c1_0.id, c1_0.name, a1_0.city FROM customer c1_0 LEFT JOIN address a1_0 ON a1_0.id = c1_0.address_id WHERE c1_0.id = 4711471147
--@ post >
SELECT "public"."Post"."id", "public"."Post"."title" FROM "public"."Post" WHERE ("public"."Post"."published" = $1 AND 1=1) ORDER BY "public"."Post"."id" ASC LIMIT $2 OFFSET $3
--@ = post >
SELECT "public"."Post"."id", "public"."Post"."title" FROM "public"."Post" WHERE ("public"."Post"."published" = 'SECRET' AND 0=1) ORDER BY "public"."Post"."id" ASC LIMIT 10 OFFSET 0 /* traceparent='00-SECRET-01' */
--@ cake fruit >
SELECT "cake"."id" AS "A_id", "fruit"."name" AS "B_name" FROM "cake" LEFT JOIN "fruit" ON "cake"."id" = "fruit"."cake_id" WHERE "cake"."name" LIKE $1
--@ - > orders
INSERT INTO orders (customer_id, note, total) VALUES ($1, $2, $3) RETURNING id
--@ = - > orders
insert into orders (customer_id, note, total) values (4711471147, 'SECRET', 12.50), (2, 'SECRET''s', 0x1F) returning ID
--@ ! - > orders
INSERT INTO orders (customer_id, note, total) VALUES ($1, $2, $3) RETURNING id, created_at
--@ ! - > orders
INSERT INTO orders (customer_id, note) VALUES ($1, $2) RETURNING id
--@ - > stock
INSERT INTO stock AS s (sku, amount) VALUES ('SECRET', 4711471147) ON CONFLICT (sku) DO UPDATE SET amount = s.amount + EXCLUDED.amount WHERE s.amount < 4711471147
--@ = - > stock
INSERT INTO stock AS s (sku, amount) VALUES ($1, $2), ($3, $4) ON CONFLICT (sku) DO UPDATE SET amount = s.amount + EXCLUDED.amount WHERE s.amount < $5
--@ ! - > stock
INSERT INTO stock AS s (sku, amount) VALUES ($1, $2) ON CONFLICT (sku) DO NOTHING
--@ - > archive
INSERT INTO archive SELECT * FROM events WHERE at < '2020-01-01 SECRET'
--@ - > counters
INSERT INTO counters DEFAULT VALUES
--@ - > users
UPDATE "users" SET "name" = $1, "updated_at" = $2 WHERE "users"."id" = $3
--@ = - > users
update users set name='SECRET', updated_at=4711471147 where users.id=4711471147
--@ ! - > users
UPDATE "users" SET "name" = $1 WHERE "users"."id" = $3
--@ - > accounts
UPDATE accounts AS a SET balance = a.balance - t.amount FROM transfers t WHERE t.account_id = a.id AND t.ref = 'SECRET' RETURNING a.id, a.balance
--@ - > sessions
DELETE FROM sessions WHERE expires_at < now() - interval '4711471147 days'
--@ = - > sessions
DELETE FROM sessions WHERE expires_at < NOW() - INTERVAL '30 days' -- SECRET
--@ ! - > sessions
DELETE FROM sessions WHERE expires_at > now() - interval '30 days'
--@ - > cart
DELETE FROM cart USING users u WHERE cart.user_id = u.id AND u.email = 'SECRET' RETURNING cart.*
--@ - > jobs
UPDATE jobs SET state = 'running' WHERE id = (SELECT id FROM jobs WHERE state = 'SECRET' ORDER BY priority DESC FOR UPDATE SKIP LOCKED LIMIT 1) RETURNING *
--@ - >
SELECT id, payload FROM jobs WHERE queue = $1 ORDER BY id LIMIT 10 FOR UPDATE SKIP LOCKED
--@ = - >
SELECT id, payload FROM jobs WHERE queue = 'SECRET' ORDER BY id LIMIT 4711471147 FOR UPDATE SKIP LOCKED
--@ ! - >
SELECT id, payload FROM jobs WHERE queue = $1 ORDER BY id LIMIT 10 FOR UPDATE NOWAIT
--@ ! - >
SELECT id, payload FROM jobs WHERE queue = $1 ORDER BY id LIMIT 10 FOR SHARE
--@ orders recent >
WITH recent AS (SELECT * FROM orders WHERE total > 4711471147) SELECT count(*) FROM recent
--@ = orders recent >
with recent as (select * from orders where total > $1) select count(*) from recent
--@ ! orders recent >
WITH recent AS MATERIALIZED (SELECT * FROM orders WHERE total > 1) SELECT count(*) FROM recent
--@ categories tree >
WITH RECURSIVE tree AS (SELECT id, parent_id, 1 AS depth FROM categories WHERE id = 4711471147 UNION ALL SELECT c.id, c.parent_id, t.depth + 1 FROM categories c JOIN tree t ON c.parent_id = t.id) SELECT * FROM tree WHERE depth < 10
--@ ! categories tree >
WITH RECURSIVE tree AS (SELECT id, parent_id, 1 AS depth FROM categories WHERE id = 1 UNION SELECT c.id, c.parent_id, t.depth + 1 FROM categories c JOIN tree t ON c.parent_id = t.id) SELECT * FROM tree WHERE depth < 10
--@ - > events archive
WITH moved AS (DELETE FROM events WHERE at < 'SECRET' RETURNING *) INSERT INTO archive SELECT * FROM moved
--@ - > tags
WITH ins AS (INSERT INTO tags (name) VALUES ('SECRET') ON CONFLICT DO NOTHING RETURNING id) SELECT id FROM ins UNION ALL SELECT id FROM tags WHERE name = 'SECRET'
--@ sales >
SELECT region, sum(amount) OVER (PARTITION BY region ORDER BY day ROWS BETWEEN 7 PRECEDING AND CURRENT ROW) FROM sales WHERE year = 4711471147
--@ = sales >
SELECT region, sum(amount) OVER (PARTITION BY region ORDER BY day ROWS BETWEEN 30 PRECEDING AND CURRENT ROW) FROM sales WHERE year = 2024
--@ ! sales >
SELECT region, sum(amount) OVER (PARTITION BY region ORDER BY day DESC ROWS BETWEEN 7 PRECEDING AND CURRENT ROW) FROM sales WHERE year = 1
--@ sales >
SELECT id, row_number() OVER w, lag(amount, 1, 0) OVER w FROM sales WINDOW w AS (PARTITION BY region ORDER BY day)
--@ users orders >
SELECT u.id, o.total FROM users u CROSS JOIN LATERAL (SELECT total FROM orders WHERE user_id = u.id ORDER BY id DESC LIMIT 3) o
--@ ! users orders >
SELECT u.id, o.total FROM users u LEFT JOIN LATERAL (SELECT total FROM orders WHERE user_id = u.id ORDER BY id DESC LIMIT 3) o ON true
--@ sales >
SELECT region, product, sum(amount) FROM sales GROUP BY GROUPING SETS ((region, product), (region), ())
--@ ! sales >
SELECT region, product, sum(amount) FROM sales GROUP BY ROLLUP (region, product)
--@ ! sales >
SELECT region, product, sum(amount) FROM sales GROUP BY CUBE (region, product)
--@ readings >
SELECT DISTINCT ON (device_id) device_id, value FROM readings WHERE device_id = ANY($1) ORDER BY device_id, at DESC
--@ ! readings >
SELECT DISTINCT device_id, value FROM readings WHERE device_id = ANY($1) ORDER BY device_id, at DESC
--@ readings >
SELECT value FROM readings WHERE device_id = ANY(ARRAY[1, 2, 4711471147])
--@ = readings >
SELECT value FROM readings WHERE device_id = ANY(ARRAY[4711471147])
--@ - >
SELECT avg(value) FROM readings TABLESAMPLE SYSTEM (1)
--@ docs >
SELECT id FROM docs WHERE data @> '{"k": "SECRET"}'::jsonb
--@ = docs >
SELECT id FROM docs WHERE data @> $1::jsonb
--@ ! docs >
SELECT id FROM docs WHERE data <@ $1::jsonb
--@ docs >
SELECT data->'a'->>'SECRET' FROM docs WHERE data #>> '{a,SECRET}' = 'SECRET'
--@ ! docs >
SELECT data->'a'->'b' FROM docs WHERE data #>> '{a,b}' = 'c'
--@ docs >
SELECT id FROM docs WHERE data ?| array['SECRET', 'b'] AND tags && ARRAY['SECRET']::text[]
--@ = docs >
SELECT id FROM docs WHERE data ?| array['a'] AND tags && ARRAY['x','y','z']::text[]
--@ docs >
SELECT id FROM docs WHERE tsv @@ to_tsquery('english', 'SECRET & word')
--@ - >
SELECT id FROM bookings WHERE during && tstzrange('2024-01-01', 'SECRET', '[)')
--@ users >
SELECT id FROM users WHERE name ILIKE '%SECRET%' ESCAPE '!' OR name ~* '^SECRET'
--@ ! users >
SELECT id FROM users WHERE name LIKE '%SECRET%' ESCAPE '!' OR name ~* '^SECRET'
--@ users >
SELECT id FROM users WHERE (first_name, last_name) IN (('SECRET', 'a'), ('b', 'SECRET'))
--@ = users >
SELECT id FROM users WHERE (first_name, last_name) IN (($1, $2))
--@ users >
SELECT id FROM users WHERE created_at BETWEEN '2024-01-01' AND 'SECRET' AND age BETWEEN 18 AND 4711471147
--@ = users >
SELECT id FROM users WHERE created_at BETWEEN $1 AND $2 AND age BETWEEN $3 AND $4
--@ ! users >
SELECT id FROM users WHERE created_at NOT BETWEEN $1 AND $2 AND age BETWEEN $3 AND $4
--@ users >
SELECT CASE WHEN score > 4711471147 THEN 'SECRET' ELSE 'low' END FROM users
--@ = users >
SELECT CASE WHEN score > 1 THEN 'a' ELSE $1 END FROM users
--@ users >
SELECT id FROM users WHERE deleted_at IS NULL
--@ ! users >
SELECT id FROM users WHERE deleted_at IS NOT NULL
--@ ! users >
SELECT id FROM users WHERE deleted_at IS DISTINCT FROM $1
--@ users >
SELECT id FROM users ORDER BY name NULLS FIRST
--@ ! users >
SELECT id FROM users ORDER BY name NULLS LAST
--@ a b >
SELECT x FROM a UNION SELECT x FROM b
--@ ! a b >
SELECT x FROM a UNION ALL SELECT x FROM b
--@ ! a b >
SELECT x FROM a INTERSECT SELECT x FROM b
--@ ! a b >
SELECT x FROM a EXCEPT SELECT x FROM b
--@ a b >
SELECT x FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.a_id = a.id AND b.k = 'SECRET')
--@ ! a b >
SELECT x FROM a WHERE NOT EXISTS (SELECT 1 FROM b WHERE b.a_id = a.id AND b.k = 'SECRET')
--@ a b >
SELECT x FROM a JOIN b USING (id)
--@ ! a b >
SELECT x FROM a NATURAL JOIN b
--@ ! a b >
SELECT x FROM a FULL OUTER JOIN b USING (id)
--@ größe >
SELECT "größe"."länge" FROM größe WHERE größe.id = 4711471147
--@ - >
SELECT n FROM numbers WHERE n IN (1e10, .5, 0xFF, 1_000, -4711471147, 0b101, 0o17)
--@ = numbers >
SELECT n FROM numbers WHERE n IN (4711471147.4711471147)
--@ texts >
SELECT t FROM texts WHERE a = E'SECRET\n\'SECRET' AND b = U&'\0041SECRET' AND c = $x$SECRET ' $$ $x$ AND d = 'SECRET''s'
--@ = texts >
SELECT t FROM texts WHERE a = $1 AND b = $2 AND c = $3 AND d = $4
--@ texts >
SELECT t FROM texts WHERE h = X'4711471147' AND b = B'0101' AND d = DATE '2024-01-01' AND s = TIMESTAMP 'SECRET'
--@ x texts >
SELECT t FROM texts /* outer /* SECRET */ still */ WHERE a = 'SECRET'
--@ x - > ?
SELECT t FROM texts WHERE a = 'SECRET
--@ x - > ?
SELECT t FROM texts WHERE a = $q$SECRET
--@ x - > ?
SELECT t FROM texts WHERE a = "SECRET
--@ x - > ?
SELECT t FROM texts /* SECRET
--@ x texts >
SELECT 'SECRET'extra FROM texts
--@ - >
SELECT FROM WHERE AND 'SECRET'
--@ - > ?
UPDATE SET WHERE 4711471147
--@ - > ?
INSERT INTO (a VALUES 'SECRET'
--@ - >
BEGIN
--@ ! - >
COMMIT
--@ ! - >
ROLLBACK
--@ - >
BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY
--@ - >
SAVEPOINT sp_1
--@ ! - >
RELEASE SAVEPOINT sp_1
--@ ! - >
ROLLBACK TO SAVEPOINT sp_1
--@ - >
SET search_path TO SECRET, public
--@ - >
SET LOCAL statement_timeout = '4711471147ms'
--@ - >
SHOW server_version
--@ - >
RESET ALL
--@ - >
LISTEN channel_one
--@ - >
NOTIFY channel_one, 'SECRET'
--@ - > events
COPY events (id, at) FROM STDIN WITH (FORMAT csv, DELIMITER ';')
--@ - >
COPY (SELECT * FROM events WHERE k = 'SECRET') TO STDOUT
--@ - > ?
CREATE TABLE IF NOT EXISTS notes (id bigserial PRIMARY KEY, body text NOT NULL DEFAULT 'SECRET')
--@ - > ?
CREATE INDEX CONCURRENTLY notes_body ON notes USING gin (body) WHERE state = 'SECRET'
--@ - > ?
ALTER TABLE notes ADD COLUMN n integer DEFAULT 4711471147
--@ - > ?
DROP TABLE IF EXISTS notes CASCADE
--@ - > notes
TRUNCATE TABLE notes
--@ - >
VACUUM (ANALYZE) notes
--@ - >
ANALYZE notes
--@ - >
EXPLAIN SELECT id FROM users WHERE name = 'SECRET'
--@ - >
EXPLAIN (ANALYZE, BUFFERS) SELECT id FROM users WHERE name = 'SECRET'
--@ - > ?
PREPARE q (int) AS SELECT id FROM users WHERE id = $1
--@ - > ?
EXECUTE q (4711471147, 'SECRET')
--@ - >
DEALLOCATE q
--@ - > ?
CALL close_month('SECRET', 4711471147)
--@ - > ?
DO $$ BEGIN PERFORM 'SECRET'; END $$
--@ - > ?
SELECT place_order($1, 'SECRET')
--@ - >
SELECT nextval('SECRET')
--@ - >
SELECT relname FROM pg_catalog.pg_class WHERE relname = 'SECRET'
--@ - > ?
GRANT SELECT ON notes TO reporting
--@ - > ?
ALTER ROLE app PASSWORD 'SECRET'
--@ - > ?
REFRESH MATERIALIZED VIEW CONCURRENTLY totals
--@ - > wallets
MERGE INTO wallets w USING payments p ON w.id = p.wallet_id WHEN MATCHED THEN UPDATE SET amount = w.amount + p.amount WHEN NOT MATCHED THEN INSERT (id, amount) VALUES (p.wallet_id, 4711471147)
--@ >
SELECT * FROM (VALUES (1, 'SECRET'), (2, 'b')) AS v (id, name)
--@ = >
SELECT * FROM (VALUES ($1, $2)) AS v (id, name)
--@ >
SELECT 1
--@ = >
SELECT 4711471147;
--@ = >
/* ping SECRET */ select   2  -- SECRET
--@ ! >
SELECT 1, 2
--@ invoices >
SELECT "invoices"."id" FROM "invoices" WHERE "invoices"."state" = 'SECRET' AND "invoices"."due" < '2024-05-01' ORDER BY "invoices"."due" ASC
--@ = invoices >
SELECT "invoices"."id" FROM "invoices" WHERE "invoices"."state" = $1 AND "invoices"."due" < $2 ORDER BY "invoices"."due" ASC
--@ ! invoices >
SELECT "invoices"."id" FROM "invoices" WHERE "invoices"."state" = $1 AND "invoices"."due" <= $2 ORDER BY "invoices"."due" ASC
--@ ! invoices >
SELECT "invoices"."id" FROM "invoices" WHERE "invoices"."state" = $1 OR "invoices"."due" < $2 ORDER BY "invoices"."due" ASC
--@ invoices >
SELECT sum(total) FILTER (WHERE state = 'SECRET'), max(due) FROM invoices
--@ = invoices >
SELECT SUM(total) FILTER (WHERE state = $1), MAX(due) FROM invoices
--@ ! invoices >
SELECT sum(total) FILTER (WHERE state = 'SECRET'), min(due) FROM invoices
--@ invoices >
SELECT date_trunc('month', due), sum(total) FROM invoices GROUP BY 1 ORDER BY 1
--@ = invoices >
SELECT date_trunc('SECRET', due), sum(total) FROM invoices GROUP BY 1 ORDER BY 2
--@ invoices >
SELECT id FROM invoices WHERE total - 4711471147 > 0
--@ = invoices >
SELECT id FROM invoices WHERE total-1>0
--@ ! invoices >
SELECT id FROM invoices WHERE total + 1 > 0
--@ invoices >
SELECT id FROM invoices WHERE id > 4711471147 FETCH FIRST 10 ROWS ONLY
--@ = invoices >
SELECT id FROM invoices WHERE id > $1 FETCH FIRST 20 ROWS ONLY
--@ ! invoices >
SELECT id FROM invoices WHERE id > 4711471147 LIMIT 10
--@ invoices lines >
SELECT i.id, (SELECT count(*) FROM lines l WHERE l.invoice_id = i.id AND l.kind = 'SECRET') FROM invoices i
--@ = invoices lines >
SELECT i.id, ( SELECT count( * ) FROM lines l WHERE l.invoice_id = i.id AND l.kind = 'x' ) FROM invoices i
--@ invoices lines >
SELECT i.id FROM invoices i, lines l WHERE i.id = l.invoice_id AND l.note LIKE 'SECRET%'
--@ = invoices lines >
SELECT i.id FROM invoices i,lines l WHERE i.id=l.invoice_id AND l.note LIKE $1
--@ ! invoices lines >
SELECT i.id FROM invoices i, lines l WHERE i.id = l.invoice_id AND l.note NOT LIKE 'SECRET%'
--@ invoices >
SELECT coalesce(note, 'SECRET'), nullif(total, 0), cast(total AS text), total::numeric(10, 2) FROM invoices
--@ invoices >
SELECT extract(year FROM due), position('SECRET' IN note), substring(note FROM 1 FOR 4) FROM invoices
--@ invoices >
SELECT id FROM invoices WHERE (total, id) > (4711471147, 5) ORDER BY total, id LIMIT 50
--@ = invoices >
SELECT id FROM invoices WHERE (total, id) > ($1, $2) ORDER BY total, id LIMIT $3
--@ - > invoices
UPDATE invoices SET (state, total) = ('SECRET', 4711471147) WHERE id = 1
--@ = - > invoices
UPDATE invoices SET (state, total) = ($1, $2) WHERE id = $3
--@ - > ?
UPDATE ONLY invoices SET state = CASE WHEN total > 4711471147 THEN 'SECRET' ELSE state END
--@ - > invoices
DELETE FROM invoices WHERE id = ANY($1::bigint[])
--@ = - > invoices
DELETE FROM invoices WHERE id = ANY('{4711471147}'::bigint[])
--@ ! - > invoices
DELETE FROM invoices WHERE id <> ALL($1::bigint[])
--@ ! - > invoices
DELETE FROM invoices
--@ - > invoices
INSERT INTO invoices (id, due) SELECT g, 'SECRET' FROM generate_series(1, 4711471147) g
--@ - > lines
INSERT INTO lines (invoice_id, qty) SELECT * FROM UNNEST($1::bigint[], $2::int[]) ON CONFLICT ON CONSTRAINT lines_pk DO UPDATE SET qty = EXCLUDED.qty
--@ messages >
SELECT id FROM messages WHERE body = 'a -- SECRET' AND head = '/* SECRET */' AND k = $tag$ 'SECRET' $tag$
--@ = messages >
SELECT id FROM messages WHERE body = $1 AND head = $2 AND k = $3
--@ messages >
sElEcT
	ID
fRoM	Messages
  wHeRe ROOM=4711471147   aNd SEEN=FaLsE
--@ = messages >
SELECT id FROM messages WHERE room = $1 AND seen = false
--@ ! messages >
SELECT id FROM messages WHERE room = $1 AND seen = true
--@ messages >
SELECT id FROM messages WHERE room = $1 AND NOT seen ORDER BY id DESC
--@ ! messages >
SELECT id FROM messages WHERE room = $1 AND seen ORDER BY id DESC
--@ 表 >
SELECT 名 FROM 表 WHERE 号 = 4711471147 AND 名 <> 'SECRET 秘密'
--@ = 表 >
SELECT 名 FROM 表 WHERE 号 = $1 AND 名 <> $2
--@ messages >
SELECT DISTINCT room FROM messages WHERE at >= TIMESTAMPTZ '2024-01-01 SECRET'
--@ ! messages >
SELECT room FROM messages WHERE at >= TIMESTAMPTZ '2024-01-01 SECRET'
--@ messages >
SELECT room, array_agg(id ORDER BY at DESC), string_agg(body, 'SECRET') FROM messages GROUP BY room
--@ = messages >
SELECT room, array_agg(id ORDER BY at DESC), string_agg(body, ', ') FROM messages GROUP BY room
--@ ! messages >
SELECT room, array_agg(id ORDER BY at), string_agg(body, ', ') FROM messages GROUP BY room
--@ - >
SELECT id FROM ONLY invoices WHERE note = 'SECRET'
--@ - > ?
DELETE FROM ONLY invoices WHERE note = 'SECRET'
--@ tickets >
SELECT t.id FROM tickets t WHERE t.state = ANY('{open,SECRET}'::text[]) AND t.owner IS NOT NULL
--@ = tickets >
SELECT t.id FROM tickets t WHERE t.state = ANY($1::text[]) AND t.owner IS NOT NULL
--@ ! tickets >
SELECT t.id FROM tickets t WHERE t.state = ALL($1::text[]) AND t.owner IS NOT NULL
--@ tickets >
SELECT id, ntile(4) OVER (ORDER BY score), first_value(id) OVER (PARTITION BY state ORDER BY score) FROM tickets
--@ = tickets >
SELECT id, ntile(4711471147) OVER (ORDER BY score), first_value(id) OVER (PARTITION BY state ORDER BY score) FROM tickets
--@ ! tickets >
SELECT id, ntile(4) OVER (ORDER BY score), last_value(id) OVER (PARTITION BY state ORDER BY score) FROM tickets
--@ tickets >
SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY score) FROM tickets
--@ = tickets >
SELECT percentile_cont(4711471147) WITHIN GROUP (ORDER BY score) FROM tickets
--@ tickets >
SELECT id FROM tickets WHERE meta ->> 'SECRET' = 'SECRET' AND (meta -> 'a' ->> 'b')::int > 4711471147
--@ = tickets >
SELECT id FROM tickets WHERE meta ->> $1 = $2 AND (meta -> $3 ->> $4)::int > $5
--@ ! tickets >
SELECT id FROM tickets WHERE meta ->> $1 = $2 AND (meta -> $3 ->> $4)::bigint > $5
--@ tickets >
SELECT id FROM tickets WHERE meta ? 'SECRET'
--@ tickets >
SELECT jsonb_build_object('id', id, 'SECRET', title) FROM tickets
--@ = tickets >
SELECT jsonb_build_object('a', id, 'b', title) FROM tickets
--@ tickets >
SELECT id FROM tickets WHERE title SIMILAR TO '%(SECRET|x)%'
--@ tickets >
SELECT tags[1], tags[2:4711471147] FROM tickets WHERE 'SECRET' = ANY(tags)
--@ = tickets >
SELECT tags[2], tags[1:3] FROM tickets WHERE $1 = ANY(tags)
--@ tickets staff >
SELECT t.id, s.name FROM tickets t INNER JOIN staff s ON s.id = t.owner AND s.team = 'SECRET' WHERE t.state <> 'closed'
--@ = tickets staff >
select T.id, S.name from tickets T inner join staff S on S.id = T.owner and S.team = $1 where T.state <> $2
--@ ! tickets staff >
SELECT t.id, s.name FROM tickets t RIGHT JOIN staff s ON s.id = t.owner AND s.team = 'SECRET' WHERE t.state <> 'closed'
--@ tickets >
SELECT id FROM support.tickets WHERE id = 4711471147
--@ = tickets >
SELECT id FROM "support"."tickets" WHERE id = $1
--@ ! tickets >
SELECT id FROM tickets WHERE id = $1
--@ ticketlog >
SELECT "ticketLog"."id" FROM "ticketLog" WHERE "ticketLog"."at" > 'SECRET'
--@ ! ticketlog >
SELECT ticketLog.id FROM ticketLog WHERE ticketLog.at > 'SECRET'
--@ per_day tickets top >
WITH per_day AS (SELECT day, count(*) AS n FROM tickets GROUP BY day), top AS (SELECT * FROM per_day ORDER BY n DESC LIMIT 4711471147) SELECT day FROM top WHERE n > 1
--@ = per_day tickets top >
WITH per_day AS (SELECT day, count(*) AS n FROM tickets GROUP BY day), top AS (SELECT * FROM per_day ORDER BY n DESC LIMIT 5) SELECT day FROM top WHERE n > $1
--@ - > tickets
WITH late AS (SELECT id FROM tickets WHERE due < 'SECRET') UPDATE tickets SET state = 'late' FROM late WHERE tickets.id = late.id
--@ ! - > tickets
WITH late AS (SELECT id FROM tickets WHERE due < 'SECRET') DELETE FROM tickets USING late WHERE tickets.id = late.id
--@ - > tickets
INSERT INTO tickets (title, state) VALUES ('SECRET', DEFAULT)
--@ = - > tickets
INSERT INTO tickets (title, state) VALUES ($1, DEFAULT), ($2, 'SECRET')
--@ - > tickets
INSERT INTO tickets (title) SELECT 'SECRET' WHERE NOT EXISTS (SELECT 1 FROM tickets WHERE title = 'SECRET')
--@ = - > tickets
INSERT INTO tickets (title) SELECT $1 WHERE NOT EXISTS (SELECT 1 FROM tickets WHERE title = $2)
--@ - > tickets
INSERT INTO tickets (title) OVERRIDING SYSTEM VALUE VALUES ('SECRET')
--@ - > tickets
UPDATE tickets SET meta = jsonb_set(meta, '{a,SECRET}', '4711471147'), tags = array_append(tags, 'SECRET') WHERE id = $1
--@ = - > tickets
UPDATE tickets SET meta = jsonb_set(meta, $1, $2), tags = array_append(tags, $3) WHERE id = $4
--@ ! - > tickets
UPDATE tickets SET meta = jsonb_set(meta, $1, $2), tags = array_remove(tags, $3) WHERE id = $4
--@ - >
SELECT id FROM tickets WHERE at > now() - INTERVAL '4711471147' DAY
--@ - >
SELECT id FROM tickets WHERE id = $1 FOR NO KEY UPDATE OF tickets
--@ - >
SELECT random(), id FROM tickets ORDER BY random() LIMIT 4711471147
--@ - > ?
SELECT pg_advisory_xact_lock(4711471147)
--@ - > ?
SELECT set_config('app.user', 'SECRET', true)
--@ - >
SELECT current_user, version()
--@ - > ?
SELECT * INTO copied FROM tickets WHERE title = 'SECRET'
--@ - > ?
CREATE TABLE copied AS SELECT * FROM tickets WHERE title = 'SECRET'
--@ - > ?
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $body$ SELECT 4711471147 $body$
--@ - > ?
CREATE VIEW open_tickets AS SELECT * FROM tickets WHERE state = 'SECRET'
--@ - > ?
COMMENT ON TABLE tickets IS 'SECRET'
--@ - >
DECLARE c CURSOR FOR SELECT id FROM tickets WHERE title = 'SECRET'
--@ - >
START TRANSACTION
--@ ! - >
ABORT
--@ - >
LOCK TABLE tickets IN SHARE MODE
--@ - > ?
SELECT 1; DELETE FROM tickets; CALL x('SECRET')

//! Another domain: orders and their lines, products, returns and what sensors say.

use super::bed::Expect::{Cheaper, Either, Same};
use super::bed::Given::{Float, Int, Text};
use super::bed::{Bed, case, check};

const SCRIPT: &str = r#"
CREATE EXTENSION hypopg;
CREATE TABLE stores (id int PRIMARY KEY, region text NOT NULL);
INSERT INTO stores SELECT i, 'r' || i % 8 FROM generate_series(1, 300) i;
CREATE TABLE customers (id bigint PRIMARY KEY, email varchar(120) NOT NULL, phone varchar(30), country text NOT NULL,
    vip boolean NOT NULL, balance numeric NOT NULL, referred_by bigint REFERENCES customers ON DELETE SET NULL,
    joined timestamptz NOT NULL);
INSERT INTO customers SELECT i, 'c' || i || '@mail.test', CASE WHEN i % 4 = 0 THEN '+49' || i END,
    (ARRAY['de', 'fr', 'us', 'it'])[(1 + i % 4)::int], i % 700 = 0, i * 37 % 10000, CASE WHEN i % 30 = 0 THEN 1 + i % 5000 END,
    now() - i * 7919 % 40000 * interval '1 min' FROM generate_series(1::bigint, 30000) i;
CREATE TABLE products (id int PRIMARY KEY, sku text NOT NULL, category int NOT NULL, name text NOT NULL, price numeric NOT NULL,
    attributes jsonb NOT NULL, discontinued boolean NOT NULL, search tsvector);
INSERT INTO products SELECT i, 'SKU-' || lpad(i::text, 7, '0'), i % 120, 'product ' || md5(i::text), i * 13 % 5000,
    jsonb_build_object('color', 'c' || i % 300), i % 50 = 0, to_tsvector('simple', 'word' || i % 4000)
    FROM generate_series(1, 15000) i;
CREATE TABLE orders (id bigint PRIMARY KEY, customer_id bigint NOT NULL REFERENCES customers, store_id int NOT NULL,
    state text NOT NULL, placed timestamptz NOT NULL, shipped timestamptz, total numeric NOT NULL, coupon text);
INSERT INTO orders SELECT i, 1 + i * i % 29989, 1 + (i % 300)::int,
    CASE WHEN i % 500 = 0 THEN 'new' WHEN i % 50 = 0 THEN 'returned' ELSE 'done' END, now() - (80000 - i) * interval '20 s',
    CASE WHEN i % 150 <> 0 THEN now() END, i * 7 % 900, CASE WHEN i % 100 = 0 THEN 'CP' || i % 3000 END
    FROM generate_series(1::bigint, 80000) i;
CREATE TABLE order_lines (order_id bigint NOT NULL REFERENCES orders ON DELETE CASCADE, line int NOT NULL,
    product_id int NOT NULL, qty int NOT NULL, PRIMARY KEY (order_id, line));
INSERT INTO order_lines SELECT 1 + i / 2, (i % 2)::int, (1 + i * 7919 % 15000)::int, (1 + i % 4)::int
    FROM generate_series(0::bigint, 119999) i;
CREATE TABLE returns (id bigint PRIMARY KEY, order_id bigint NOT NULL REFERENCES orders ON DELETE CASCADE, reason text);
INSERT INTO returns SELECT i, 1 + i * 8 % 80000, 'r' || i % 20 FROM generate_series(1::bigint, 10000) i;
CREATE TABLE sensor_events (id bigserial PRIMARY KEY, device int NOT NULL, kind smallint NOT NULL, value float8 NOT NULL,
    at timestamptz NOT NULL);
INSERT INTO sensor_events (device, kind, value, at) SELECT (i * 31 % 1000)::int, (i % 6)::smallint, i % 997 / 997.0,
    now() - (80000 - i) * interval '1 s' FROM generate_series(1::bigint, 80000) i;
CREATE INDEX orders_store ON orders (store_id);
CREATE INDEX orders_store_placed ON orders (store_id, placed);
CREATE INDEX lines_product ON order_lines (product_id);
CREATE INDEX lines_product_copy ON order_lines (product_id);
CREATE UNIQUE INDEX products_sku ON products (sku);
CREATE INDEX products_sku_again ON products (sku);
CREATE INDEX customers_balance ON customers (balance);
ANALYZE;"#;

#[tokio::test]
async fn a_shop_gets_the_indexes_that_it_needs_and_no_other() {
    let cases = vec![
        case(
            "orders of one",
            4.0,
            "SELECT o.id, o.total FROM orders o WHERE o.customer_id = $1 ORDER BY o.placed DESC LIMIT 10",
            &[&[Int(1)], &[Int(44)]],
            Cheaper(50.0),
        ),
        case(
            "new orders",
            1.2,
            "SELECT id FROM orders WHERE state = 'new' ORDER BY placed LIMIT 50",
            &[],
            Cheaper(20.0),
        ),
        case(
            "unshipped",
            0.6,
            "SELECT id FROM orders WHERE shipped IS NULL AND store_id = $1",
            &[&[Int(3)], &[Int(299)]],
            Cheaper(5.0),
        ),
        case(
            "coupon",
            0.5,
            "SELECT id, total FROM orders WHERE coupon = $1",
            &[&[Text("CP300")], &[Text("CP2100")]],
            Cheaper(20.0),
        ),
        case(
            "a store's day",
            0.7,
            "SELECT sum(total) FROM orders WHERE store_id = $1 AND placed >= to_timestamp($2) AND placed < to_timestamp($3)",
            &[&[Int(5), Float(1.0e9), Float(1.1e9)]],
            Either,
        ),
        case(
            "lines",
            5.0,
            "SELECT l.line, p.name FROM order_lines l JOIN products p ON p.id = l.product_id WHERE l.order_id = $1",
            &[&[Int(1)], &[Int(59999)]],
            Same,
        ),
        case(
            "returns",
            0.8,
            "SELECT r.id FROM returns r JOIN orders o ON o.id = r.order_id WHERE o.customer_id = $1",
            &[&[Int(1)], &[Int(44)]],
            Cheaper(20.0),
        ),
        case(
            "by mail",
            3.0,
            "SELECT id FROM customers WHERE email = $1",
            &[&[Text("c5@mail.test")], &[Text("c20000@mail.test")]],
            Cheaper(50.0),
        ),
        case(
            "by phone",
            0.6,
            "SELECT id FROM customers WHERE phone = $1",
            &[&[Text("+494000")]],
            Cheaper(50.0),
        ),
        case(
            "vips",
            0.25,
            "SELECT id, balance FROM customers WHERE vip ORDER BY balance DESC LIMIT 20",
            &[],
            Either,
        ),
        case(
            "country",
            0.6,
            "SELECT id FROM customers WHERE country = $1 ORDER BY joined DESC LIMIT 25",
            &[&[Text("de")], &[Text("us")]],
            Cheaper(20.0),
        ),
        case(
            "category",
            2.0,
            "SELECT id, name FROM products WHERE category = $1 AND NOT discontinued ORDER BY price LIMIT 40",
            &[&[Int(5)], &[Int(77)]],
            Cheaper(5.0),
        ),
        case(
            "color",
            0.4,
            "SELECT id FROM products WHERE attributes->>'color' = $1",
            &[&[Text("c5")], &[Text("c299")]],
            Cheaper(5.0),
        ),
        case(
            "words",
            0.35,
            "SELECT id FROM products WHERE search @@ to_tsquery('simple', $1)",
            &[&[Text("word77")], &[Text("word3999")]],
            Cheaper(5.0),
        ),
        case(
            "sku",
            2.0,
            "SELECT * FROM products WHERE sku = $1",
            &[&[Text("SKU-0000007")]],
            Same,
        ),
        case(
            "device",
            0.9,
            "SELECT at, value FROM sensor_events WHERE device = $1 AND kind = $2 ORDER BY at DESC LIMIT 100",
            &[&[Int(5), Int(1)], &[Int(400), Int(3)]],
            Cheaper(10.0),
        ),
        case(
            "event",
            9.0,
            "INSERT INTO sensor_events (device, kind, value, at) VALUES ($1, $2, $3, now())",
            &[&[Int(5), Int(1), Float(0.5)]],
            Same,
        ),
        case(
            "rare value",
            0.0001,
            "SELECT id FROM sensor_events WHERE value > $1 AND kind = $2",
            &[&[Float(0.9999), Int(2)]],
            Either,
        ),
        case(
            "page",
            0.6,
            "SELECT id, total FROM orders WHERE (placed, id) < (to_timestamp($1), $2) ORDER BY placed DESC, id DESC LIMIT 50",
            &[&[Float(1.9e9), Int(1000)]],
            Cheaper(20.0),
        ),
        case(
            "region",
            1.0,
            "SELECT id FROM stores WHERE region = $1",
            &[&[Text("r1")]],
            Same,
        ),
        case(
            "customer goes",
            0.03,
            "DELETE FROM customers WHERE id = $1",
            &[&[Int(29999)]],
            Either,
        ),
        case(
            "exists",
            0.06,
            "SELECT c.id FROM customers c WHERE c.vip AND EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id \
             AND o.state = 'returned')",
            &[],
            Cheaper(2.0),
        ),
        case(
            "last order",
            0.08,
            "SELECT c.id, l.placed FROM customers c CROSS JOIN LATERAL (SELECT o.placed FROM orders o \
             WHERE o.customer_id = c.id ORDER BY o.placed DESC LIMIT 1) l WHERE c.id = $1",
            &[&[Int(44)]],
            Cheaper(20.0),
        ),
        case(
            "either",
            0.3,
            "SELECT id FROM customers WHERE email = $1 OR phone = $2",
            &[&[Text("c5@mail.test"), Text("+494000")]],
            Cheaper(50.0),
        ),
    ];
    check(&Bed {
        script: SCRIPT,
        cases,
        needed: &[
            "\"customers\" (\"referred_by\") WHERE \"referred_by\" IS NOT NULL",
            "WHERE \"shipped\" IS NULL",
            "USING gin (\"search\")",
            "\"joined\" DESC",
        ],
        harmful: &[
            "\"stores\"",
            "(\"kind\", \"value\"",
            "(\"value\"",
            "(\"discontinued\"",
            "\"order_lines\" (\"order_id\")",
        ],
        unused: &["products_sku", "orders_pkey"],
        drops: &["lines_product_copy", "orders_store", "products_sku_again"],
    })
    .await;
}

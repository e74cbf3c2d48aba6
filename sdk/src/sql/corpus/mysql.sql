--@ - > ?
SELECT `u`.`id` FROM `users` AS `u` WHERE `u`.`email` = "SECRET@example.org" LIMIT 5, 4711471147
--@ = - > ?
SELECT `u`.`id` FROM `users` AS `u` WHERE `u`.`email` = 'SECRET' LIMIT 0, 10
--@ ! - > ?
SELECT `u`.`id` FROM `users` AS `u` WHERE `u`.`email` = ? LIMIT 10 OFFSET 0
--@ - > ?
INSERT INTO `hits` (`url`, `n`) VALUES ("SECRET", 4711471147) ON DUPLICATE KEY UPDATE `n` = `n` + VALUES(`n`)
--@ = - > ?
INSERT INTO `hits` (`url`, `n`) VALUES ('SECRET', 1), ('b', 2) ON DUPLICATE KEY UPDATE `n` = `n` + VALUES(`n`)
--@ ! - > ?
INSERT IGNORE INTO `hits` (`url`, `n`) VALUES (?, ?)
--@ - > ?
SELECT STRAIGHT_JOIN `a`.`id` FROM `a` JOIN `b` ON `a`.`id` = `b`.`a_id` WHERE `b`.`k` = "SECRET"
--@ - > ?
SELECT `id` FROM `a` USE INDEX (`ix_k`) WHERE `k` IN ("SECRET", 'b')
--@ = - > ?
SELECT `id` FROM `a` USE INDEX (`ix_k`) WHERE `k` IN (4711471147)
--@ ! - > ?
SELECT `id` FROM `a` FORCE INDEX (`ix_k`) WHERE `k` IN (4711471147)
--@ x - > ?
SELECT `id` FROM `a` WHERE `k` = 'it\'s SECRET'
--@ x - > ?
SELECT `id` FROM `a` WHERE `k` = "a \"SECRET\" b"
--@ x - > ?
SELECT `id` FROM `a` # SECRET
--@ x - > ?
SELECT `id` FROM `a` WHERE `k` = 1 # it's SECRET
--@ - > ?
UPDATE `a` SET `k` = "SECRET" WHERE `id` = 4711471147 LIMIT 1
--@ = - > ?
UPDATE `a` SET `k` = 'x' WHERE `id` = 1 LIMIT 1
--@ - > ?
REPLACE INTO `a` SET `k` = "SECRET"
--@ - > ?
SELECT `id` FROM `a` WHERE `name` REGEXP "SECRET" AND `b` <=> "SECRET"
--@ - > ?
SELECT GROUP_CONCAT(`name` SEPARATOR "SECRET") FROM `a`
--@ - > ?
SET @x = "SECRET", NAMES = 'SECRET'
--@ - > ?
SET NAMES "SECRET"
--@ - > ?
SHOW TABLES LIKE "SECRET%"
--@ - > ?
SELECT /*+ MAX_EXECUTION_TIME(4711471147) */ `id` FROM `c`
--@ - > ?
SELECT `id` FROM `a` WHERE `h` = 0x4711471147 OR `s` = _utf8mb4"SECRET"
--@ - > ?
LOAD DATA LOCAL INFILE "SECRET.csv" INTO TABLE `a` FIELDS TERMINATED BY "SECRET"
--@ - > ?
SELECT `b`.* FROM `b` WHERE `b`.`deleted` = 0 AND `b`.`name` LIKE "%SECRET%" ORDER BY `b`.`id` DESC LIMIT 20
--@ = - > ?
SELECT `b`.* FROM `b` WHERE `b`.`deleted` = 1 AND `b`.`name` LIKE ? ORDER BY `b`.`id` DESC LIMIT 4711471147
--@ ! - > ?
SELECT `b`.* FROM `b` WHERE `b`.`deleted` = 1 AND `b`.`name` LIKE ? ORDER BY `b`.`id` LIMIT 4711471147
--@ - > ?
SELECT `id` FROM `b` WHERE `name` IN ("SECRET", "b", "c") FOR UPDATE
--@ = - > ?
SELECT `id` FROM `b` WHERE `name` IN (?) FOR UPDATE
--@ ! - > ?
SELECT `id` FROM `b` WHERE `name` IN (?) LOCK IN SHARE MODE
--@ - > ?
DELETE `a` FROM `a` JOIN `b` ON `a`.`id` = `b`.`a_id` WHERE `b`.`name` = "SECRET"
--@ x - > ?
INSERT INTO `b` (`name`) VALUES ('SECRET\\'), ('b\'')
--@ x - > ?
SELECT `id` FROM `b` WHERE `name` = "SECRET
--@ - > ?
SELECT SQL_CALC_FOUND_ROWS `id` FROM `d` WHERE MATCH(`body`) AGAINST ("SECRET" IN BOOLEAN MODE)
--@ - > ?
SELECT DATE_FORMAT(`at`, "%SECRET"), IF(`n` > 4711471147, "SECRET", 'x') FROM `d`
--@ = - > ?
SELECT DATE_FORMAT(`at`, '%Y'), IF(`n` > 1, 'a', "b") FROM `d`
--@ - > ?
SELECT `id` FROM `d` WHERE `at` > DATE_SUB(NOW(), INTERVAL 4711471147 DAY)
--@ = - > ?
SELECT `id` FROM `d` WHERE `at` > DATE_SUB(NOW(), INTERVAL 7 DAY)
--@ - > ?
SELECT `id` FROM `d` WHERE `j`->"$.SECRET" = 4711471147
--@ - > ?
UPDATE `d` JOIN `a` ON `a`.`id` = `d`.`a_id` SET `d`.`n` = 4711471147, `d`.`s` = CONCAT("SECRET", `a`.`s`)
--@ - > ?
SELECT `id` FROM `d` WHERE `s` = "SECRET" "SECRET"
--@ - > ?
CREATE USER "SECRET"@"%" IDENTIFIED BY "SECRET"
--@ x - > ?
SELECT `id` FROM `d` WHERE `s` = "SECRET\\" AND `t` = "\"SECRET"

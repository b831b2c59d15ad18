CREATE TABLE IF NOT EXISTS entries (
  id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY,
  author VARCHAR(60) NOT NULL,
  body VARCHAR(500) NOT NULL,
  written TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
) CHARACTER SET utf8mb4;
INSERT INTO entries (author, body) VALUES ('Moonwire', 'The first entry. <b>Not</b> in bold type.');

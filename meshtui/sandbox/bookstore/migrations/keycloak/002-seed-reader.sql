-- The demo user reader, password reader: sha256 over salt and password.
insert into users (id, username, salt, password_hash) values
    ('10000000-0000-0000-0000-000000000001', 'reader', 'bookstore',
     encode(sha256(convert_to('bookstore' || 'reader', 'UTF8')), 'hex'));

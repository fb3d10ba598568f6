-- Ids are random here, so inventory can't know them: changeset 005 puts that right.
insert into books (id, title, author, price_cents) values
    (gen_random_uuid(), 'The Ambient Sea',          'I. Waypoint',  1850),
    (gen_random_uuid(), 'Tunnels and Other Routes', 'H. B. One',    2400),
    (gen_random_uuid(), 'A Policy of One''s Own',   'V. Selector',  1295),
    (gen_random_uuid(), 'Nothing Listens',          'R. Fused',      990),
    (gen_random_uuid(), 'The Named Port',           'A. Target',    1640);

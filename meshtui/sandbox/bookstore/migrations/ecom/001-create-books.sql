create table books (
    id          uuid primary key,
    title       text not null unique,
    author      text not null,
    price_cents integer not null check (price_cents > 0)
);

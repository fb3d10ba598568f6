create table stock (
    book_id  uuid primary key,
    quantity integer not null check (quantity >= 0),
    reserved integer not null default 0 check (reserved >= 0 and reserved <= quantity)
);

create table cart_items (
    customer text not null,
    book_id  uuid not null references books (id) on update cascade on delete cascade,
    quantity integer not null check (quantity > 0),
    primary key (customer, book_id)
);

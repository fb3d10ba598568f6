create table users (
    id            uuid primary key,
    username      text not null unique,
    salt          text not null,
    password_hash text not null
);

create table realm_keys (
    kid        text primary key,
    private_pem text not null,
    created_at timestamptz not null default now()
);

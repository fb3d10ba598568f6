-- Inventory keeps its stock under fixed sequential ids: the same books get the same ids here.
-- Carts and orders follow (on update cascade).
update books set id = fixed.id
from (values
    ('00000000-0000-0000-0000-000000000001'::uuid, 'The Ambient Sea'),
    ('00000000-0000-0000-0000-000000000002'::uuid, 'Tunnels and Other Routes'),
    ('00000000-0000-0000-0000-000000000003'::uuid, 'A Policy of One''s Own'),
    ('00000000-0000-0000-0000-000000000004'::uuid, 'Nothing Listens'),
    ('00000000-0000-0000-0000-000000000005'::uuid, 'The Named Port')
) as fixed (id, title)
where books.title = fixed.title;

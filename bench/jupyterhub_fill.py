"""Adds users to JupyterHub's database as its REST API would, in one transaction, and prints a token
of one of them. It is run by the Python that has JupyterHub: `jupyterhub_fill.py URL COUNT`."""

import sys

from jupyterhub import orm

url, count = sys.argv[1], int(sys.argv[2])
db = orm.new_session_factory(url)()
role = orm.Role.find(db, "user")
for number in range(count):
    user = orm.User(name=f"user-{number}")
    db.add(user)
    user.roles.append(role)
    db.add(orm.Spawner(name="", user=user))
db.commit()
user = orm.User.find(db, "user-3")
assert user.roles == [role], "the users must have the usual role"
print(user.new_api_token(note="benchmark"))

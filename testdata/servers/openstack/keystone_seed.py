"""Fill a bootstrapped Keystone: regions, endpoints, projects, users.

keystone_seed.py AUTH_URL SWIFT_URL; the passwords come from the environment. Users, all but the last in the domain Default:

  pipeline  may use the projects files and second, and has no default project
  homed     the same, with second as its default project
  solo      may use second alone, and has no default project
  outsider  has a role in files that is nothing to Swift
  homeless  has no project
  pipeline  of the domain Customers, with a project files there
"""
import os
import sys

from keystoneauth1 import session
from keystoneauth1.identity import v3
from keystoneclient.v3 import client

auth_url, swift_url = sys.argv[1:3]
password = os.environ["USER_PASSWORD"]
ks = client.Client(endpoint_override=auth_url, session=session.Session(auth=v3.Password(
    auth_url=auth_url, username="admin", password=os.environ["ADMIN_PASSWORD"],
    project_name="admin", user_domain_id="default", project_domain_id="default")))


def role(name):
    return next((r for r in ks.roles.list() if r.name == name), None) or ks.roles.create(name)


def user(name, projects, granted, domain="default", secret=password, home=None):
    made = ks.users.create(name, domain=domain, password=secret, default_project=home)
    for p in projects:
        ks.roles.grant(granted, user=made, project=p)


def endpoint(region, url):
    if region not in [r.id for r in ks.regions.list()]:
        ks.regions.create(region)
    for kind in ("public", "internal"):
        ks.endpoints.create(swift, url, interface=kind, region=region)


for found in ks.endpoints.list():  # Keystone's own was made before its port was known
    ks.endpoints.update(found, url=auth_url)
swift = ks.services.create("swift", type="object-store")
endpoint("RegionOne", swift_url + "/v1/AUTH_%(project_id)s")
endpoint("RegionTwo", swift_url + "/v1/TWO_%(project_id)s")

operator, nobody = role("swiftoperator"), role("nobody")
files, second = ks.projects.create("files", "default"), ks.projects.create("second", "default")
user("swift", [ks.projects.create("service", "default")], role("admin"), secret=os.environ["SERVICE_PASSWORD"])
user("pipeline", [files, second], operator)
user("homed", [files, second], operator, home=second)
user("solo", [second], operator)
user("outsider", [files], nobody)
user("homeless", [], nobody)
other = ks.domains.create("Customers")
user("pipeline", [ks.projects.create("files", other)], operator, domain=other)

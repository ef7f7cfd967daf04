import pytest
pytestmark = pytest.mark.django_db
def test_x(client):
    r = client.get("/tasks")
    print(r, r.content[:2000], r.headers)

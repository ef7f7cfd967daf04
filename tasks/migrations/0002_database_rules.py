from django.db import migrations

# Two things that SQL writers cannot be asked to do themselves: every change moves updatedat, and a status written
# past the lifecycle (recorded_status unchanged) leaves times, lease and archive memory as that status needs them.
# The lifecycle's own writes always set recorded_status and are left alone, so its mistakes still meet the constraints.
ROW_RULES = """
CREATE FUNCTION tasks_keep_consistent() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    is_outside boolean;
BEGIN
    IF TG_OP = 'INSERT' THEN
        is_outside := NEW.recorded_status IS NULL;
    ELSE
        NEW.updatedat := clock_timestamp();
        is_outside := NEW.status IS DISTINCT FROM OLD.status
            AND NEW.recorded_status IS NOT DISTINCT FROM OLD.recorded_status;
    END IF;
    IF NOT is_outside THEN
        RETURN NEW;
    END IF;
    IF NEW.status = 2 THEN
        IF TG_OP = 'INSERT' THEN
            NEW.archived_from := 1;
        ELSE
            NEW.archived_from := CASE OLD.status WHEN 4 THEN 6 ELSE OLD.status END;
        END IF;
    ELSE
        NEW.archived_from := NULL;
    END IF;
    IF NEW.status IN (1, 2, 5, 6) THEN
        NEW.finished_at := coalesce(NEW.finished_at, clock_timestamp());
    ELSE
        NEW.finished_at := NULL;
    END IF;
    IF NEW.status = 5 AND NEW.error_code = '' THEN
        NEW.error_code := 'reported_failed';
    END IF;
    IF NEW.status <> 4 THEN
        NEW.lease_expires_at := NULL;
        NEW.deadline_at := NULL;
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER tasks_keep_consistent BEFORE INSERT OR UPDATE ON tasks
    FOR EACH ROW EXECUTE FUNCTION tasks_keep_consistent();
"""

NO_ROW_RULES = """
DROP TRIGGER tasks_keep_consistent ON tasks;
DROP FUNCTION tasks_keep_consistent();
"""


def add_default_queue(apps, schema_editor):
    apps.get_model("tasks", "Queue").objects.get_or_create(
        owner=None, name="default", defaults={"concurrency_limit": 50}
    )


class Migration(migrations.Migration):
    dependencies = [("tasks", "0001_initial")]

    operations = [
        migrations.RunSQL(ROW_RULES, NO_ROW_RULES),
        migrations.RunPython(add_default_queue, migrations.RunPython.noop),
    ]

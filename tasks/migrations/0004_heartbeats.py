import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tasks', '0003_limits'),
    ]

    operations = [
        migrations.CreateModel(
            name='Heartbeat',
            fields=[
                ('name', models.CharField(max_length=300, primary_key=True, serialize=False)),
                ('role', models.CharField(choices=[('worker', 'Worker'), ('sweep', 'Sweep')], editable=False, max_length=16)),
                ('started_at', models.DateTimeField(editable=False)),
                ('seen_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('data', models.JSONField(default=dict, editable=False)),
            ],
            options={
                'db_table': 'heartbeats',
                'ordering': ['-seen_at'],
            },
        ),
    ]

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0007_second_factors_and_codes'),
    ]

    operations = [
        migrations.CreateModel(
            name='KnownKey',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('variable', models.CharField(editable=False, max_length=40)),
                ('key_id', models.CharField(editable=False, max_length=16)),
                ('first_seen_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
            ],
            options={
                'db_table': 'known_keys',
                'ordering': ['variable', 'first_seen_at'],
                'constraints': [models.UniqueConstraint(fields=('variable', 'key_id'), name='known_key_is_seen_first_once'), models.CheckConstraint(condition=models.Q(('key_id__regex', '^[0-9a-f]{16}$')), name='known_key_is_an_id')],
            },
        ),
    ]

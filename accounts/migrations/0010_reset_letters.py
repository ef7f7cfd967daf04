import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0009_sessions_by_digest'),
    ]

    operations = [
        migrations.CreateModel(
            name='ResetLetter',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('stamp', models.CharField(blank=True, editable=False, help_text="Of the user's password when it was asked for.", max_length=64)),
                ('asked_at', models.DateTimeField(editable=False)),
                ('due_at', models.DateTimeField(editable=False)),
                ('attempts', models.PositiveSmallIntegerField(default=0, editable=False)),
                ('user', models.OneToOneField(editable=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'db_table': 'reset_letters',
                'indexes': [models.Index(fields=['due_at'], name='reset_letters_due')],
            },
        ),
    ]

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tasks', '0004_heartbeats'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='BulkAction',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('uuid', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('action', models.CharField(choices=[('cancel', 'Cancel'), ('retry', 'Retry'), ('archive', 'Archive'), ('move', 'Move')], editable=False, max_length=16)),
                ('filter', models.JSONField(editable=False, help_text='Which tasks, in the words of the one who asked.')),
                ('criteria', models.JSONField(editable=False, help_text='The same with names resolved.')),
                ('reason', models.CharField(db_default='', default='', editable=False, max_length=500)),
                ('status', models.CharField(choices=[('waiting', 'Waiting'), ('running', 'Running'), ('complete', 'Complete'), ('stopped', 'Stopped')], db_default='waiting', default='waiting', editable=False, max_length=16)),
                ('task_ids', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), editable=False, help_text='The tasks it was asked for, in the order of their ids; empty once it has ended.', size=None)),
                ('total', models.PositiveIntegerField(editable=False)),
                ('changed', models.PositiveIntegerField(db_default=0, default=0, editable=False)),
                ('skipped', models.PositiveIntegerField(db_default=0, default=0, editable=False)),
                ('errors', models.JSONField(default=dict, editable=False, help_text='Why tasks were skipped: code and number.')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('started_at', models.DateTimeField(editable=False, null=True)),
                ('finished_at', models.DateTimeField(editable=False, null=True)),
                ('owner', models.ForeignKey(editable=False, help_text='Who asked for it, and by whose rights it is carried out.', on_delete=django.db.models.deletion.PROTECT, related_name='bulk_actions', to=settings.AUTH_USER_MODEL)),
                ('queue', models.ForeignKey(editable=False, help_text='Where tasks are moved to.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='tasks.queue')),
                ('task_owner', models.ForeignKey(editable=False, help_text="Whose tasks. Empty: everybody's.", null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'db_table': 'bulk_actions',
                'ordering': ['-id'],
                'indexes': [models.Index(fields=['owner', 'id'], name='bulk_actions_of_owner'), models.Index(condition=models.Q(('status__in', ['waiting', 'running'])), fields=['owner'], name='bulk_actions_unfinished')],
                'constraints': [models.CheckConstraint(condition=models.Q(('action__in', ['cancel', 'retry', 'archive', 'move'])), name='bulk_action_known'), models.CheckConstraint(condition=models.Q(models.Q(('finished_at__isnull', True), ('status__in', ['waiting', 'running'])), models.Q(('finished_at__isnull', False), ('status__in', ['complete', 'stopped'])), _connector='OR'), name='bulk_action_finish_time_exactly_when_finished'), models.CheckConstraint(condition=models.Q(('total__gte', django.db.models.expressions.CombinedExpression(models.F('changed'), '+', models.F('skipped')))), name='bulk_action_counts_within_total'), models.CheckConstraint(condition=models.Q(models.Q(('status', 'complete'), _negated=True), ('total', django.db.models.expressions.CombinedExpression(models.F('changed'), '+', models.F('skipped'))), _connector='OR'), name='bulk_action_complete_when_all_processed')],
            },
        ),
    ]

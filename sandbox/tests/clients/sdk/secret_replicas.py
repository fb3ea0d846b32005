"""Secrets with replicas in other regions."""

from sandbox import WATCH, Case, client

HOME, AWAY = "us-east-1", "eu-west-1"


class SecretReplicas(Case):
    def setUp(self):
        super().setUp()
        self.away = WATCH.over(client("secretsmanager", region=AWAY))
        self.errors = self.secrets.exceptions

    def replicas(self, name="a"):
        found = self.secrets.describe_secret(SecretId=name)
        return {replica["Region"]: replica["Status"] for replica in found.get("ReplicationStatus", [])}

    def replicated(self, **more):
        return self.secrets.create_secret(
            Name="a", SecretString="one", AddReplicaRegions=[{"Region": AWAY, "KmsKeyId": "alias/away"}], **more
        )

    def test_a_replica_is_read_in_its_region_and_follows_its_primary(self):
        made = self.replicated(Tags=[{"Key": "team", "Value": "orders"}])
        begun = {"Region": AWAY, "KmsKeyId": "alias/away", "Status": "InProgress"}
        self.assertEqual(made["ReplicationStatus"], [begun])
        self.assertEqual(self.replicas(), {AWAY: "InSync"})
        self.assertEqual(self.secrets.describe_secret(SecretId="a")["PrimaryRegion"], HOME)
        arn = made["ARN"].replace(HOME, AWAY)
        read = self.away.get_secret_value(SecretId=arn)
        self.assertEqual((read["SecretString"], read["VersionId"]), ("one", made["VersionId"]))
        self.secrets.put_secret_value(SecretId="a", SecretString="two")
        self.assertEqual(self.away.get_secret_value(SecretId="a")["SecretString"], "two")
        found = self.away.describe_secret(SecretId="a")
        self.assertEqual((found["PrimaryRegion"], found["KmsKeyId"]), (HOME, "alias/away"))
        self.assertEqual(found["Tags"], [{"Key": "team", "Value": "orders"}])
        by_region = [{"Key": "primary-region", "Values": [HOME]}]
        self.assertEqual(len(self.away.list_secrets(Filters=by_region)["SecretList"]), 1)

    def test_a_replica_is_changed_at_its_primary_only_but_for_its_key(self):
        self.replicated()
        away, refusal = self.away, "Operation not permitted on a replica secret."
        for call, arguments in (
            (away.put_secret_value, {"SecretString": "two"}),
            (away.update_secret, {"Description": "mine"}),
            (away.delete_secret, {"ForceDeleteWithoutRecovery": True}),
            (away.delete_secret, {}),
            (away.tag_resource, {"Tags": [{"Key": "k", "Value": "v"}]}),
            (away.delete_resource_policy, {}),
            (away.replicate_secret_to_regions, {"AddReplicaRegions": [{"Region": "us-west-2"}]}),
        ):
            text = self.refused(away.exceptions.InvalidParameterException, call, SecretId="a", **arguments)
            self.assertTrue(text.startswith(refusal), text)
        away.update_secret(SecretId="a", KmsKeyId="alias/other")
        self.assertEqual(away.describe_secret(SecretId="a")["KmsKeyId"], "alias/other")

    def test_a_primary_goes_after_its_replicas(self):
        self.replicated()
        for more in ({}, {"ForceDeleteWithoutRecovery": True}):
            delete = self.secrets.delete_secret
            text = self.refused(self.errors.InvalidParameterException, delete, SecretId="a", **more)
            self.assertIn(AWAY, text)
        left = self.secrets.remove_regions_from_replication(SecretId="a", RemoveReplicaRegions=[AWAY])
        self.assertEqual(left["ReplicationStatus"], [])
        self.assertNotIn("PrimaryRegion", self.secrets.describe_secret(SecretId="a"))
        self.refused(self.away.exceptions.ResourceNotFoundException, self.away.describe_secret, SecretId="a")
        self.secrets.delete_secret(SecretId="a")

    def test_a_replica_becomes_a_secret_of_its_own(self):
        made = self.replicated()
        stopped = self.away.stop_replication_to_replica(SecretId="a")
        self.assertEqual(stopped["ARN"], made["ARN"].replace(HOME, AWAY))
        self.assertEqual(self.replicas(), {})
        self.away.put_secret_value(SecretId="a", SecretString="mine")
        self.secrets.put_secret_value(SecretId="a", SecretString="two")
        self.assertEqual(self.away.get_secret_value(SecretId="a")["SecretString"], "mine")
        stop = self.secrets.stop_replication_to_replica
        self.refused(self.errors.InvalidRequestException, stop, SecretId="a")

    def test_another_secret_of_the_name_is_overwritten_on_request_only(self):
        self.away.create_secret(Name="a", SecretString="theirs")
        self.replicated()
        (failed,) = self.secrets.describe_secret(SecretId="a")["ReplicationStatus"]
        self.assertEqual(failed["Status"], "Failed")
        self.assertEqual(failed["StatusMessage"], "Secret with this name already exists in this region")
        self.secrets.put_secret_value(SecretId="a", SecretString="two")
        self.assertEqual(self.away.get_secret_value(SecretId="a")["SecretString"], "theirs")
        again = {"SecretId": "a", "AddReplicaRegions": [{"Region": AWAY}]}
        self.secrets.replicate_secret_to_regions(**again)
        self.assertEqual(self.replicas(), {AWAY: "Failed"})
        self.secrets.replicate_secret_to_regions(**again, ForceOverwriteReplicaSecret=True)
        self.assertEqual(self.replicas(), {AWAY: "InSync"})
        self.assertEqual(self.away.get_secret_value(SecretId="a")["SecretString"], "two")

    def test_regions_that_are_none_are_refused(self):
        invalid = self.errors.InvalidParameterException
        for region in (HOME, "nowhere"):
            regions = {"AddReplicaRegions": [{"Region": region}]}
            text = self.refused(invalid, self.secrets.create_secret, Name="b", SecretString="x", **regions)
            self.assertEqual(text, "Invalid replica region.")
        self.refused(self.errors.ResourceNotFoundException, self.secrets.describe_secret, SecretId="b")
        self.replicated()
        remove = self.secrets.remove_regions_from_replication
        self.refused(invalid, remove, SecretId="a", RemoveReplicaRegions=["us-west-2"])

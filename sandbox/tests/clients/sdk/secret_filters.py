"""Which secrets lists and batches choose, in which order, and on which pages."""

from sandbox import Case, control, token_pages

DESCRIPTIONS = {"testing1/one": "a secret", "/testing2/two": "an secret", "testing3/three": "asecret"}


class SecretFilters(Case):
    def setUp(self):
        super().setUp()
        for name, description in (DESCRIPTIONS | {"/testing4/four": "thesecret"}).items():
            self.secrets.create_secret(Name=name, SecretString=f"value of {name}", Description=description)
        self.errors = self.secrets.exceptions

    def found(self, **filters):
        """The secrets that pass filters, by the numbers in their names."""
        chosen = [{"Key": key.replace("_", "-"), "Values": values} for key, values in filters.items()]
        listed = self.secrets.list_secrets(Filters=chosen, SortBy="name", SortOrder="asc")["SecretList"]
        return sorted(int(name["Name"].strip("/")[7]) for name in listed)

    def test_names_begin_with_a_value_in_its_case(self):
        self.assertEqual(self.found(name=["/"]), [2, 4])
        self.assertEqual(self.found(name=["!/"]), [1, 3])
        self.assertEqual(self.found(name=["testing1", "/testing4"]), [1, 4])
        self.assertEqual(self.found(name=["testing", "!testing3"]), [1])
        self.assertEqual(self.found(name=["Testing"]), [])
        self.assertEqual(self.found(name=["testing1 one"]), [])

    def test_words_of_descriptions_begin_with_the_words_of_a_value_in_any_case(self):
        self.assertEqual(self.found(description=["a"]), [1, 2, 3])
        self.assertEqual(self.found(description=["!a"]), [4])
        self.assertEqual(self.found(description=["A Secret"]), [1, 2])
        self.assertEqual(self.found(description=["!c"]), [1, 2, 3, 4])
        self.assertEqual(self.found(description=["a"], name=["/"]), [2])

    def test_all_looks_at_everything(self):
        self.secrets.tag_resource(SecretId="testing1/one", Tags=[{"Key": "Team", "Value": "Orders"}])
        control("POST", "seed", {"secret": "/testing2/two", "owning_service": "rds"})
        self.assertEqual(self.found(all=["orders"]), [1])
        self.assertEqual(self.found(all=["one team"]), [1])
        self.assertEqual(self.found(all=["RDS"]), [2])
        self.assertEqual(self.found(all=["!orders"]), [2, 3, 4])
        self.assertEqual(self.found(tag_key=["Te"]), [1])
        self.assertEqual(self.found(tag_key=["te"]), [])
        self.assertEqual(self.found(tag_value=["!Orders"]), [2, 3, 4])
        self.assertEqual(self.found(owning_service=["rd"]), [2])
        self.assertEqual(self.found(primary_region=["us"]), [])

    def test_lists_are_in_the_order_that_is_asked_for(self):
        self.secrets.update_secret(SecretId="testing1/one", Description="changed")
        self.secrets.get_secret_value(SecretId="testing3/three")
        made = [*DESCRIPTIONS, "/testing4/four"]

        def order(**sort):
            return [secret["Name"] for secret in self.secrets.list_secrets(**sort)["SecretList"]]

        self.assertEqual(order(), made[::-1])
        self.assertEqual(order(SortOrder="asc", SortBy="created-date"), made)
        self.assertEqual(order(SortBy="name", SortOrder="asc"), sorted(made))
        self.assertEqual(order(SortBy="name"), sorted(made, reverse=True))
        self.assertEqual(order(SortBy="last-changed-date")[0], "testing1/one")
        self.assertEqual(order(SortBy="last-accessed-date")[0], "testing3/three")
        invalid = self.errors.InvalidParameterException
        self.refused(invalid, self.secrets.list_secrets, SortBy="size")
        self.refused(invalid, self.secrets.list_secrets, SortOrder="up")

    def test_filters_have_known_keys_some_values_and_a_limit(self):
        invalid = self.errors.InvalidParameterException
        calls = (self.secrets.list_secrets, self.secrets.batch_get_secret_value)
        name = {"Key": "name", "Values": ["x"]}
        for filters in (
            [{"Key": "colour", "Values": ["x"]}],
            [{"Key": "name", "Values": ["x"] * 11}],
            [{"Key": "name", "Values": ["x" * 513]}],
            [{"Key": "name", "Values": ["x?"]}],
            [name] * 11,
        ):
            for call in calls:
                self.refused(invalid, call, Filters=filters)
        self.refused(self.errors.InvalidNextTokenException, self.secrets.list_secrets, NextToken="x")
        self.refused(invalid, self.secrets.batch_get_secret_value, Filters=[name], MaxResults=21)
        self.refused(invalid, self.secrets.batch_get_secret_value, SecretIdList=["a"], MaxResults=5)
        self.refused(invalid, self.secrets.batch_get_secret_value, SecretIdList=["a"], Filters=[name])
        self.refused(invalid, self.secrets.batch_get_secret_value, SecretIdList=["a"] * 21)

    def test_a_batch_holds_what_can_be_read_and_why_the_rest_cannot(self):
        self.secrets.create_secret(Name="empty")
        self.secrets.delete_secret(SecretId="testing1/one")
        batch = self.secrets.batch_get_secret_value(SecretIdList=["testing1/one", "empty", "testing3/three", "none"])
        self.assertEqual([value["SecretString"] for value in batch["SecretValues"]], ["value of testing3/three"])
        errors = {error["SecretId"]: error["ErrorCode"] for error in batch["Errors"]}
        missing = "ResourceNotFoundException"
        self.assertEqual(errors, {"testing1/one": "InvalidRequestException", "empty": missing, "none": missing})
        some = [{"Key": "name", "Values": ["/", "testing"]}]
        pages = token_pages(self.secrets.batch_get_secret_value, Filters=some, MaxResults=2)
        self.assertEqual([len(page["SecretValues"]) for page in pages], [2, 1])

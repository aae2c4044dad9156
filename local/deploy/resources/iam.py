"""AWS::IAM::Role, AWS::IAM::Policy and AWS::IAM::ManagedPolicy."""

from __future__ import annotations

from local.deploy.documents import Properties, compact, words
from local.deploy.handlers import AwsResource, Resource, unless_gone
from local.deploy.tags import change_tags, tag_list, tag_map


class Role(AwsResource):
    """A role, its inline policies and the managed ones attached to it."""

    resource_type = "AWS::IAM::Role"
    service = "iam"
    name_properties = ("RoleName",)
    implemented = words("""
        RoleName Path Description MaxSessionDuration Tags
        AssumeRolePolicyDocument ManagedPolicyArns Policies PermissionsBoundary
    """)
    attributes = words("Arn RoleId")

    def create(self, properties: Properties) -> Resource:
        name = properties.get("RoleName") or self.identity.name(limit=64)
        self.claim_if_free(name, "get_role", RoleName=name)
        passed = words("Path Description MaxSessionDuration PermissionsBoundary")
        answer = self.call(
            "create_role",
            {
                "RoleName": name,
                "AssumeRolePolicyDocument": properties["AssumeRolePolicyDocument"],
                "Tags": tag_list(tag_map(properties)),
                **{key: properties.get(key) for key in passed},
            },
        )["Role"]
        with self.created(name):
            self._grant(name, {}, properties)
        return Resource(name, {"Arn": answer["Arn"], "RoleId": answer["RoleId"]})

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        self.client.update_assume_role_policy(
            RoleName=physical_id, PolicyDocument=compact(new["AssumeRolePolicyDocument"])
        )
        self.call(
            "update_role",
            {
                "RoleName": physical_id,
                "Description": new.get("Description", ""),
                "MaxSessionDuration": new.get("MaxSessionDuration", 3600),
            },
        )
        self._bound(physical_id, old, new)
        self._grant(physical_id, old, new)
        change_tags(
            old,
            new,
            put=lambda tags: self.client.tag_role(RoleName=physical_id, Tags=tag_list(tags)),
            remove=lambda keys: self.client.untag_role(RoleName=physical_id, TagKeys=keys),
        )
        role = self.client.get_role(RoleName=physical_id)["Role"]
        return Resource(physical_id, {"Arn": role["Arn"], "RoleId": role["RoleId"]})

    def delete(self, physical_id: str, properties: Properties) -> None:
        attached = self.client.list_attached_role_policies(RoleName=physical_id)["AttachedPolicies"]
        for policy in attached:
            self.client.detach_role_policy(RoleName=physical_id, PolicyArn=policy["PolicyArn"])
        for policy_name in self.client.list_role_policies(RoleName=physical_id)["PolicyNames"]:
            self.client.delete_role_policy(RoleName=physical_id, PolicyName=policy_name)
        self.client.delete_role(RoleName=physical_id)

    def _bound(self, name: str, old: Properties, new: Properties) -> None:
        boundary = new.get("PermissionsBoundary")
        if boundary:
            self.client.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=boundary)
        elif old.get("PermissionsBoundary"):
            self.client.delete_role_permissions_boundary(RoleName=name)

    def _grant(self, name: str, old: Properties, new: Properties) -> None:
        attached_before, attached = set(old.get("ManagedPolicyArns", [])), set(new.get("ManagedPolicyArns", []))
        for arn in sorted(attached_before - attached):
            with unless_gone():
                self.client.detach_role_policy(RoleName=name, PolicyArn=arn)
        for arn in sorted(attached - attached_before):
            self.client.attach_role_policy(RoleName=name, PolicyArn=arn)
        inline = {policy["PolicyName"]: policy["PolicyDocument"] for policy in new.get("Policies", [])}
        for policy in old.get("Policies", []):
            if policy["PolicyName"] not in inline:
                with unless_gone():
                    self.client.delete_role_policy(RoleName=name, PolicyName=policy["PolicyName"])
        for policy_name, document in inline.items():
            self.client.put_role_policy(RoleName=name, PolicyName=policy_name, PolicyDocument=compact(document))


class Policy(AwsResource):
    """An inline policy, put into each of its roles."""

    resource_type = "AWS::IAM::Policy"
    service = "iam"
    implemented = words("PolicyName Roles PolicyDocument")
    attributes = words("Id")

    def create(self, properties: Properties) -> Resource:
        name = self.identity.name()
        self.claim(name)
        with self.created(name):
            self._put(properties)
        return Resource(name, {"Id": name})

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        self._put(new)
        still = {(role, new["PolicyName"]) for role in new.get("Roles", [])}
        self._remove({(role, old["PolicyName"]) for role in old.get("Roles", [])} - still)
        return Resource(physical_id, {"Id": physical_id})

    def delete(self, physical_id: str, properties: Properties) -> None:
        self._remove({(role, properties["PolicyName"]) for role in properties.get("Roles", [])})

    def _put(self, properties: Properties) -> None:
        document = compact(properties["PolicyDocument"])
        for role in properties.get("Roles", []):
            self.client.put_role_policy(RoleName=role, PolicyName=properties["PolicyName"], PolicyDocument=document)

    def _remove(self, placed: set[tuple[str, str]]) -> None:
        for role, policy_name in sorted(placed):
            with unless_gone():
                self.client.delete_role_policy(RoleName=role, PolicyName=policy_name)


class ManagedPolicy(AwsResource):
    """A managed policy, attached to its roles."""

    resource_type = "AWS::IAM::ManagedPolicy"
    service = "iam"
    name_properties = ("ManagedPolicyName",)
    implemented = words("ManagedPolicyName Description Path Roles PolicyDocument")
    attributes = words("PolicyArn")

    def create(self, properties: Properties) -> Resource:
        name = properties.get("ManagedPolicyName") or self.identity.name()
        arn = f"arn:aws:iam::{self.surroundings.account}:policy{properties.get('Path', '/')}{name}"
        self.claim_if_free(arn, "get_policy", PolicyArn=arn)
        answer = self.call(
            "create_policy",
            {
                "PolicyName": name,
                "PolicyDocument": properties["PolicyDocument"],
                "Description": properties.get("Description"),
                "Path": properties.get("Path"),
            },
        )["Policy"]
        with self.created(answer["Arn"]):
            self._attach(answer["Arn"], set(), set(properties.get("Roles", [])))
        return Resource(answer["Arn"], {"PolicyArn": answer["Arn"]})

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        if old["PolicyDocument"] != new["PolicyDocument"]:
            self.client.create_policy_version(
                PolicyArn=physical_id, PolicyDocument=compact(new["PolicyDocument"]), SetAsDefault=True
            )
            self._drop_old_versions(physical_id)
        self._attach(physical_id, set(old.get("Roles", [])), set(new.get("Roles", [])))
        return Resource(physical_id, {"PolicyArn": physical_id})

    def delete(self, physical_id: str, properties: Properties) -> None:
        self._drop_old_versions(physical_id)
        self._attach(physical_id, set(properties.get("Roles", [])), set())
        self.client.delete_policy(PolicyArn=physical_id)

    def _attach(self, arn: str, before: set[str], after: set[str]) -> None:
        for role in sorted(after - before):
            self.client.attach_role_policy(RoleName=role, PolicyArn=arn)
        attached = self.client.list_entities_for_policy(PolicyArn=arn)["PolicyRoles"] if before - after else []
        for role in sorted({entry["RoleName"] for entry in attached} & (before - after)):
            self.client.detach_role_policy(RoleName=role, PolicyArn=arn)

    def _drop_old_versions(self, arn: str) -> None:
        for version in self.client.list_policy_versions(PolicyArn=arn)["Versions"]:
            if not version["IsDefaultVersion"]:
                self.client.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])

"""Who we are in Azure: one managed identity for every service, no keys (DESIGN §10)."""

from azure.identity import DefaultAzureCredential

from fanreel.settings import Settings


def azure_credential(settings: Settings) -> DefaultAzureCredential:
    """Return the credential of this process's managed identity (a developer's own login works as well)."""
    client_id = settings.managed_identity_client_id
    if client_id:
        return DefaultAzureCredential(managed_identity_client_id=client_id)
    return DefaultAzureCredential()

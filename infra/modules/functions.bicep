// The Functions app on Flex Consumption: triggers, orchestrations, CPU activities, HTTP API.
// FUNCTIONS_WORKER_RUNTIME must not be set on this plan; the runtime stands in functionAppConfig.
param name string
param location string
param identityId string
param identityClientId string
param storageName string
param packageContainer string
param cosmosEndpoint string
param cosmosDatabase string
param insightsConnection string

@allowed([
  2048
  4096
])
param instanceMemoryMb int = 4096
param maximumInstances int = 40

resource storage 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: storageName
}

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: '${name}-plan'
  location: location
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
  }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  name: name
  location: location
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${storage.properties.primaryEndpoints.blob}${packageContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: {
        name: 'python'
        version: '3.11'
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMb
        maximumInstanceCount: maximumInstances
      }
    }
    siteConfig: {
      minTlsVersion: '1.2'
      appSettings: [
        {
          name: 'AzureWebJobsStorage__accountName'
          value: storageName
        }
        {
          name: 'AzureWebJobsStorage__credential'
          value: 'managedidentity'
        }
        {
          name: 'AzureWebJobsStorage__clientId'
          value: identityClientId
        }
        {
          name: 'AZURE_CLIENT_ID'
          value: identityClientId
        }
        {
          name: 'APPLICATIONINSIGHTS_CONNECTION_STRING'
          value: insightsConnection
        }
        {
          name: 'FANREEL_COSMOS_ENDPOINT'
          value: cosmosEndpoint
        }
        {
          name: 'FANREEL_COSMOS_DATABASE'
          value: cosmosDatabase
        }
        {
          name: 'FANREEL_BLOB_SOURCE'
          value: 'eventgrid'
        }
        {
          name: 'FANREEL_LOG_FORMAT'
          value: 'json'
        }
      ]
    }
  }
}

output name string = app.name

// The GPU pool: an event-driven Container Apps job. KEDA counts messages on the queue, in flight ones
// included (strategy `all`), and starts one execution per message; an execution drains the queue until it
// has been idle for a while, so that model load and CUDA warm-up are paid once, not per segment.
param prefix string
param location string
param image string
param registryName string
param identityId string
param identityClientId string
param identityPrincipalId string
param storageName string
param queueName string
param maxExecutions int
param logWorkspaceName string

@allowed([
  'Consumption-GPU-NC8as-T4'
  'Consumption-GPU-NC24-A100'
])
param gpuProfile string = 'Consumption-GPU-NC8as-T4'

var acrPull = '7f951dda-4ed3-4680-a7ca-43fe172d538d'

resource registry 'Microsoft.ContainerRegistry/registries@2023-07-01' existing = {
  name: registryName
}

resource workspace 'Microsoft.OperationalInsights/workspaces@2023-09-01' existing = {
  name: logWorkspaceName
}

resource pull 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(registry.id, identityPrincipalId, acrPull)
  scope: registry
  properties: {
    principalId: identityPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', acrPull)
  }
}

resource environment 'Microsoft.App/managedEnvironments@2025-01-01' = {
  name: '${prefix}-gpu'
  location: location
  properties: {
    appLogsConfiguration: {
      destination: 'log-analytics'
      logAnalyticsConfiguration: {
        customerId: workspace.properties.customerId
        sharedKey: workspace.listKeys().primarySharedKey
      }
    }
    workloadProfiles: [
      {
        name: 'Consumption'
        workloadProfileType: 'Consumption'
      }
      {
        name: 'gpu'
        workloadProfileType: gpuProfile
      }
    ]
  }
}

resource worker 'Microsoft.App/jobs@2025-01-01' = {
  name: '${prefix}-worker'
  location: location
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  dependsOn: [
    pull
  ]
  properties: {
    environmentId: environment.id
    workloadProfileName: 'gpu'
    configuration: {
      triggerType: 'Event'
      replicaTimeout: 14400
      replicaRetryLimit: 0
      registries: [
        {
          server: registry.properties.loginServer
          identity: identityId
        }
      ]
      eventTriggerConfig: {
        parallelism: 1
        replicaCompletionCount: 1
        scale: {
          minExecutions: 0
          maxExecutions: maxExecutions
          pollingInterval: 15
          rules: [
            {
              name: 'segments'
              type: 'azure-queue'
              identity: identityId
              metadata: {
                accountName: storageName
                queueName: queueName
                queueLength: '1'
                queueLengthStrategy: 'all'
              }
            }
          ]
        }
      }
    }
    template: {
      containers: [
        {
          name: 'worker'
          image: image
          resources: {
            cpu: 8
            memory: '56Gi'
          }
          env: [
            {
              name: 'FANREEL_STORAGE_ACCOUNT'
              value: storageName
            }
            {
              name: 'FANREEL_MANAGED_IDENTITY_CLIENT_ID'
              value: identityClientId
            }
            {
              name: 'FANREEL_EXECUTION_PROVIDER'
              value: 'cuda'
            }
            {
              name: 'FANREEL_LOG_FORMAT'
              value: 'json'
            }
          ]
        }
      ]
    }
  }
}

output jobName string = worker.name

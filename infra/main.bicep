// fanreel in one resource group: storage, Cosmos DB, the Functions app, the GPU pool, monitoring.
// Container, queue and database names are the defaults of fanreel/settings.py; a test compares them.
targetScope = 'resourceGroup'

@description('Region of everything but the GPU pool.')
param location string = resourceGroup().location

@description('Region of the GPU pool; serverless GPUs exist in few regions.')
param gpuLocation string = location

@description('Short name put before every resource name: 3 to 11 lower-case letters and digits.')
@minLength(3)
@maxLength(11)
param prefix string = 'fanreel'

@description('Image of the GPU worker, for example myregistry.azurecr.io/fanreel-worker:1.0.0.')
param workerImage string

@description('Name of the existing container registry, in this resource group, that holds the worker image.')
param registryName string

@description('Most GPU job executions at once. One execution is one GPU.')
@minValue(1)
param maxGpuJobs int = 10

@description('Create the Event Grid subscriptions. Only after the code is deployed: they need the blob extension key of the running app.')
param subscribeUploads bool = false

var suffix = uniqueString(resourceGroup().id)

module identities './modules/identities.bicep' = {
  name: 'identities'
  params: {
    prefix: prefix
    location: location
  }
}

module monitoring './modules/monitoring.bicep' = {
  name: 'monitoring'
  params: {
    prefix: prefix
    location: location
  }
}

module storage './modules/storage.bicep' = {
  name: 'storage'
  params: {
    name: take('${prefix}${suffix}', 24)
    location: location
    functionsPrincipalId: identities.outputs.functionsPrincipalId
    workerPrincipalId: identities.outputs.workerPrincipalId
  }
}

module cosmos './modules/cosmos.bicep' = {
  name: 'cosmos'
  params: {
    name: '${prefix}-${suffix}'
    location: location
    functionsPrincipalId: identities.outputs.functionsPrincipalId
  }
}

module functionsApp './modules/functions.bicep' = {
  name: 'functions'
  params: {
    name: '${prefix}-${suffix}'
    location: location
    identityId: identities.outputs.functionsId
    identityClientId: identities.outputs.functionsClientId
    storageName: storage.outputs.name
    packageContainer: storage.outputs.packageContainer
    cosmosEndpoint: cosmos.outputs.endpoint
    cosmosDatabase: cosmos.outputs.database
    insightsConnection: monitoring.outputs.insightsConnection
  }
}

module gpuPool './modules/gpu-pool.bicep' = {
  name: 'gpu-pool'
  params: {
    prefix: prefix
    location: gpuLocation
    image: workerImage
    registryName: registryName
    identityId: identities.outputs.workerId
    identityClientId: identities.outputs.workerClientId
    identityPrincipalId: identities.outputs.workerPrincipalId
    storageName: storage.outputs.name
    queueName: storage.outputs.segmentsQueue
    maxExecutions: maxGpuJobs
    logWorkspaceName: monitoring.outputs.workspaceName
  }
}

module events './modules/events.bicep' = if (subscribeUploads) {
  name: 'events'
  params: {
    prefix: prefix
    location: location
    storageName: storage.outputs.name
    functionAppName: functionsApp.outputs.name
  }
}

output functionAppName string = functionsApp.outputs.name
output storageName string = storage.outputs.name
output cosmosEndpoint string = cosmos.outputs.endpoint

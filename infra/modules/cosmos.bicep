// The read model. Data-plane roles cannot create containers, so they are all made here.
param name string
param location string
param functionsPrincipalId string
param databaseName string = 'fanreel'
param containers array = [
  {
    name: 'videos'
    partitionKey: '/videoId'
  }
  {
    name: 'appearances'
    partitionKey: '/videoId'
  }
  {
    name: 'people'
    partitionKey: '/videoId'
  }
  {
    name: 'fans'
    partitionKey: '/fanId'
  }
  {
    name: 'matches'
    partitionKey: '/fanId'
  }
  {
    name: 'montages'
    partitionKey: '/fanId'
  }
  {
    name: 'reviews'
    partitionKey: '/eventId'
  }
]

var dataContributor = '00000000-0000-0000-0000-000000000002'

resource account 'Microsoft.DocumentDB/databaseAccounts@2024-05-15' = {
  name: name
  location: location
  kind: 'GlobalDocumentDB'
  properties: {
    databaseAccountOfferType: 'Standard'
    disableLocalAuth: true
    minimalTlsVersion: 'Tls12'
    capabilities: [
      {
        name: 'EnableServerless'
      }
    ]
    locations: [
      {
        locationName: location
        failoverPriority: 0
      }
    ]
  }
}

resource database 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases@2024-05-15' = {
  parent: account
  name: databaseName
  properties: {
    resource: {
      id: databaseName
    }
  }
}

// Templates and per-sample columns are never searched: leaving them out of the index keeps writes cheap.
resource sqlContainers 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2024-05-15' = [for container in containers: {
  parent: database
  name: container.name
  properties: {
    resource: {
      id: container.name
      partitionKey: {
        kind: 'Hash'
        version: 2
        paths: [
          container.partitionKey
        ]
      }
      indexingPolicy: {
        indexingMode: 'consistent'
        includedPaths: [
          {
            path: '/*'
          }
        ]
        excludedPaths: [
          {
            path: '/template/*'
          }
          {
            path: '/selfies/*'
          }
          {
            path: '/boxes/*'
          }
          {
            path: '/shots/*'
          }
          {
            path: '/crowd/*'
          }
          {
            path: '/excitement/*'
          }
          {
            path: '/sounds/*'
          }
          {
            path: '/scores/*'
          }
          {
            path: '/gaps/*'
          }
          {
            path: '/highlights/*'
          }
          {
            path: '/plan/*'
          }
          {
            path: '/ptsMs/*'
          }
          {
            path: '/excitementCurve/*'
          }
        ]
      }
    }
  }
}]

resource functionsData 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@2024-05-15' = {
  parent: account
  name: guid(account.id, functionsPrincipalId, dataContributor)
  properties: {
    principalId: functionsPrincipalId
    roleDefinitionId: '${account.id}/sqlRoleDefinitions/${dataContributor}'
    scope: account.id
  }
}

output endpoint string = account.properties.documentEndpoint
output database string = database.name

// What Android Studio opens: the library and the sample. For Gradle 8.13 or a later 8, on a JDK 17 or later.
pluginManagement {
    repositories {
        google()
        mavenCentral()
        gradlePluginPortal()
    }
}

dependencyResolutionManagement {
    repositoriesMode.set(RepositoriesMode.FAIL_ON_PROJECT_REPOS)
    repositories {
        google()
        mavenCentral()
    }
}

rootProject.name = "fieldscore-android"
include(":fieldscore", ":sample")

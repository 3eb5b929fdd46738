"""Addresses of what somebody answers for, and of what becomes of what people leave."""

from django.urls import path

from reviews.pages import following_views, people_views, places_views, vendor_views
from reviews.pages import owned_views as views

urlpatterns = [
    path("owned/", views.owned_list, name="owned_list"),
    path("owned/renew/", views.owned_renew, name="owned_renew"),
    path("owned/left/<uuid:pk>/", places_views.of_leaver, name="places_of_leaver"),
    path("owned/activate/", views.owned_activate, name="owned_activate"),
    *(
        path(
            f"owned/offers/<uuid:pk>/{answer}/",
            views.offer_answer,
            {"answer": answer},
            name=f"offer_{answer}",
        )
        for answer in ("accept", "decline", "withdraw")
    ),
    *(
        path(
            f"owned/succession/<uuid:pk>/{answer}/",
            views.succession_answer,
            {"answer": answer},
            name=f"succession_{answer}",
        )
        for answer in ("accept", "decline")
    ),
    path("successions/", views.succession_list, name="succession_list"),
    path("successions/<str:key>/", views.succession_page, name="succession_page"),
    path("people/", people_views.people_list, name="people_list"),
    path("people/<uuid:pk>/", people_views.person_page, name="person_page"),
    path(
        "services/<slug:slug>/criticality/",
        following_views.criticality,
        name="service_criticality",
    ),
    path("identities/<str:key>/places/", places_views.of_identity, name="identity_places"),
    path("identities/<str:key>/vendor/", vendor_views.identity_vendor, name="identity_vendor"),
    path("identities/<str:key>/retire/", views.identity_retire, name="identity_retire"),
    path("identities/<str:key>/resume/", views.identity_resume, name="identity_resume"),
    path("identities/<str:key>/activate/", views.identity_activate, name="identity_activate"),
    path("identities/<str:key>/renew/", views.identity_renew, name="identity_renew"),
    path("identities/<str:key>/hand-over/", views.identity_hand_over, name="identity_hand_over"),
]
